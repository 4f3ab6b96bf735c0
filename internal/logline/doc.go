// Package logline writes a log that nobody may be reading: a full or closed pipe delays
// and ends nothing.
//
// It knows lines and a writer, no logger, no flags and no metrics.
package logline
