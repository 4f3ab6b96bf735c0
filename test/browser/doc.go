// Package browser tests the page that `podcullis graph -o html` writes as people
// use it: in a real Chromium, without a network, by mouse and by keyboard.
//
// The tests skip where Chromium is not installed, unless
// PODCULLIS_REQUIRE_BROWSER=1. With PODCULLIS_SCREENSHOTS=DIR they leave
// screenshots there.
package browser
