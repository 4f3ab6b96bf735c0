// Package intent reads a list of connections that somebody wants: YAML of kind Connections, as
// `podcullis connections -o yaml` writes it, or shorter. It reads strictly, and an error names
// the file, the line and the field.
package intent
