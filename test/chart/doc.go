// Package chart tests charts/podcullis: it renders the chart with Helm's engine over a matrix of
// values, decodes what comes out strictly into the types of the API, and holds it against the code
// that it installs: the doors of the webhook, the kinds of the model, the configuration, the
// metrics. A real API server validates every object of every combination.
package chart
