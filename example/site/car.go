package site

import (
	"cmp"
	"net/http"

	"example.com/cookiestore"
)

// A car is a value with parts, kept under one key.
type car struct {
	Model  string `json:"model"`
	Wheels string `json:"wheels"`
}

var defaultCar = car{Model: "mini", Wheels: "steel"}

// showCar shows the visitor's car, or the default.
func showCar(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	render(w, r, "car.html", cookiestore.Get(session, "my_car", defaultCar))
}

// changeCar does what the forms of the car page ask for.
func changeCar(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	switch op := r.PostFormValue("op"); op {
	case "set":
		model := cmp.Or(r.PostFormValue("model"), defaultCar.Model)
		session.Set("my_car", car{Model: model, Wheels: defaultCar.Wheels})
		session.AddFlash("You now drive a " + model + ".")
	case "wheels":
		wheels := cmp.Or(r.PostFormValue("wheels"), defaultCar.Wheels)
		changeWheels(session, wheels)
		session.AddFlash("It now has " + wheels + " wheels.")
	case "delete":
		session.Delete("my_car")
		session.AddFlash("Your car is gone.")
	default:
		badField(w, r, "op", "%q is none of set, wheels, delete", op)
		return
	}
	http.Redirect(w, r, "/car", http.StatusSeeOther)
}

// changeWheels changes one part of the car and leaves the rest as it is.
func changeWheels(session *cookiestore.Session, wheels string) {
	err := cookiestore.Modify(session, "my_car", func(c *car) {
		*c = cmp.Or(*c, defaultCar)
		c.Wheels = wheels
	})
	if err != nil { // what was there is not a car
		session.Set("my_car", car{Model: defaultCar.Model, Wheels: wheels})
	}
}
