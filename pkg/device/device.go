// Package device says in a few words what a session runs on: which kind of
// application, browser, operating system and size of device.
//
// It trusts, in this order, what the client declared when it signed in, its
// client hints, the forms of user agent that the POS apps send, and only then
// the guesses of uap-go. A user agent is a claim by a stranger: the result is
// for people to recognise a device by, never for a decision about access.
//
// This package is the only home of uap-go. It does no I/O.
package device

import "github.com/posse-pos/posse/events"

// MaxUserAgent is how much of a user agent, in bytes, any rule gets to see.
const MaxUserAgent = events.MaxUserAgent

// Declared is what a session said of its device when it signed in.
type Declared struct {
	// Platform is the app's own word for what it is: "ios", "android",
	// "electron", "web" and their synonyms. Words nobody knows are ignored.
	Platform string
	// AppVersion and Build are the app's version ("1.8.1") and build ("231").
	// The build does not influence the result.
	AppVersion string
	Build      string
	// ClientHints holds Sec-CH-UA, Sec-CH-UA-Platform, Sec-CH-UA-Platform-Version,
	// Sec-CH-UA-Model and Sec-CH-UA-Mobile as sent; names in any case.
	ClientHints map[string]string
}

// Application is the kind of program that a session belongs to.
type Application string

// The applications that the Sessions screen tells apart. Whatever does not show
// itself to be an app is Web.
const (
	IOSApp     Application = "ios_app"
	AndroidApp Application = "android_app"
	DesktopApp Application = "desktop_app"
	Web        Application = "web"
)

// Type is the size class of a device.
type Type string

// The types of devices. Countertop POS terminals that run Android are tablets.
const (
	Mobile  Type = "mobile"
	Tablet  Type = "tablet"
	Desktop Type = "desktop"
	Unknown Type = "unknown"
)

// Device is what a session runs on. A field that nothing is known of is empty,
// but for Application and Type, which never are.
type Device struct {
	Application    Application `json:"application"`
	Browser        string      `json:"browser"`
	BrowserVersion string      `json:"browser_version"`
	OS             string      `json:"os"`
	OSVersion      string      `json:"os_version"`
	Type           Type        `json:"type"`
}
