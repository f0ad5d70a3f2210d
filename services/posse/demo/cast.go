package demo

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// castJSON is the shop: a dozen people, the office where the manager sits, and
// two dozen devices with the user agents that such devices send.
//
//go:embed cast.json
var castJSON []byte

// cast is who and what there is in the shop.
type cast struct {
	People  []person `json:"people"`
	Office  device   `json:"office"`
	Devices []device `json:"devices"`
}

// person is a member of the staff.
type person struct {
	ID       string   `json:"id"`
	Username string   `json:"username"`
	Name     string   `json:"name"`
	Roles    []string `json:"roles"`
}

// device is something that somebody signs in on.
type device struct {
	Person    string            `json:"person"` // a username
	Label     string            `json:"label"`
	IP        string            `json:"ip"`
	Platform  string            `json:"platform"` // this and the next two as its app declares them
	Version   string            `json:"version"`
	Build     string            `json:"build"`
	UserAgent string            `json:"user_agent"`
	Hints     map[string]string `json:"hints"`

	who person
}

func readCast() (*cast, error) {
	c := &cast{}
	if err := json.Unmarshal(castJSON, c); err != nil {
		return nil, fmt.Errorf("demo: cast.json: %w", err)
	}
	people := map[string]person{}
	for _, p := range c.People {
		people[p.Username] = p
	}
	c.Office.who = people[c.Office.Person]
	for i := range c.Devices {
		c.Devices[i].who = people[c.Devices[i].Person]
	}
	return c, nil
}
