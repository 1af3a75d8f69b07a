package cookiestore

import (
	"slices"
	"strings"

	"example.com/cookiestore/internal/jsonobject"
)

// FlashKey is the dictionary key under which flash messages wait, the one that
// gorilla/sessions uses.
const FlashKey = "_flash"

// maxFlashes is how many flash messages may wait.
const maxFlashes = 100

// AddFlash adds a message for [Session.Flashes] to return once, in this request
// or a later one: after a redirect, say. At most 100 messages wait. If there are
// more, or if the session would be too large to save, the oldest are dropped, as in
// Django's CookieStorage, and that is logged.
func (s *Session) AddFlash(message any) {
	text, err := encode(FlashKey, message)
	s.open()
	defer s.unlock()
	add := func(list string) (string, error) { return appendFlash(list, text) }
	if err == nil {
		var list string
		before := s.find(FlashKey)
		if list, err = add(before); err == nil {
			if waiting, _ := jsonobject.Elements(before); len(waiting) >= maxFlashes {
				s.lostFlashes += int32(len(waiting)) - maxFlashes + 1
			}
			s.put(FlashKey, list, nil)
			s.replayable(FlashKey, add)
			return
		}
	}
	s.reject(FlashKey, err)
}

// appendFlash appends a message to a list, from which the oldest go once it is full.
// What isn't a list is replaced by one.
func appendFlash(list, message string) (string, error) {
	waiting, ok := jsonobject.Elements(list)
	if !ok {
		list = ""
	} else if len(waiting) >= maxFlashes {
		list = joinFlashes(waiting[len(waiting)-maxFlashes+1:])
	}
	list, err := jsonobject.AppendElement(list, message)
	if err != nil {
		return "", usage("flash message can't be added: " + err.Error())
	}
	return list, nil
}

// Flashes returns the messages that wait, the oldest first, and removes them.
func (s *Session) Flashes() []any {
	s.open()
	defer s.unlock()
	list := s.find(FlashKey)
	if !s.remove(FlashKey) {
		return nil
	}
	taken, _ := jsonobject.Elements(list)
	s.replayable(FlashKey, func(list string) (string, error) { return withoutFlashes(list, taken), nil })
	messages := make([]any, len(taken))
	for i, text := range taken {
		messages[i] = jsonobject.DecodeAny(text)
	}
	return messages
}

// withoutFlashes returns the messages of a list that have not been taken: another
// request has added them.
func withoutFlashes(list string, taken []string) string {
	waiting, _ := jsonobject.Elements(list)
	for _, text := range taken {
		if i := slices.Index(waiting, text); i >= 0 {
			waiting = slices.Delete(waiting, i, i+1)
		}
	}
	return joinFlashes(waiting)
}

// joinFlashes is the inverse of jsonobject.Elements; of no messages it makes "".
func joinFlashes(messages []string) string {
	if len(messages) == 0 {
		return ""
	}
	return "[" + strings.Join(messages, ",") + "]"
}

// takeLostFlashes returns how many messages were dropped since it was last asked.
func (s *lifecycle) takeLostFlashes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := s.lostFlashes
	s.lostFlashes = 0
	return int(lost)
}

// dropFlash removes the oldest message that waits, or all that exceed the number that
// may, and reports whether there was one.
func (s *lifecycle) dropFlash() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, _ := s.object.Find(FlashKey)
	waiting, _ := jsonobject.Elements(list)
	if len(waiting) == 0 {
		return false
	}
	kept := joinFlashes(waiting[max(1, len(waiting)-maxFlashes):])
	restoreKey(&s.object, FlashKey, kept, kept != "")
	return true
}
