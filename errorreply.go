package cookiestore

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
)

// replyFailed is the default error handler.
func replyFailed(w http.ResponseWriter, r *http.Request, err error) {
	status, text := failureText(err)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if acceptsOnlyJSON(r.Header["Accept"]) {
		h.Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]string{"error": text}) // an error is the connection's
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, text+"\n")
}

// failureText says to a visitor what went wrong, and to try again only where that can
// help.
func failureText(err error) (status int, text string) {
	_, ofValue := errorIn[*valueError](err)
	e, ok := errorIn[*cookieError](err)
	switch {
	case ofValue:
		return http.StatusInternalServerError, "The session could not be saved."
	case errors.Is(err, ErrInterrupted): // with Django's status
		return http.StatusBadRequest, "Your session ended while this page was being made. Please try again."
	case errors.Is(err, ErrCrossSite):
		return http.StatusForbidden, "This request came from another site, without your session."
	case errors.Is(err, ErrTooLarge), ok && e.class == usageError:
		return http.StatusInternalServerError, "The session could not be saved."
	}
	return http.StatusInternalServerError, "The session could not be loaded or saved. Please try again."
}

// acceptsOnlyJSON reports whether all media types of an Accept field are JSON.
func acceptsOnlyJSON(fields []string) bool {
	accepts := false
	for item := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		media, _, err := mime.ParseMediaType(item)
		if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
			return false
		}
		accepts = true
	}
	return accepts
}
