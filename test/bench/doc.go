// Command bench measures Podcullis: the model and its questions, the webhook over
// HTTPS beside one that does nothing, and what is left behind.
//
//	go run ./test/bench                    every figure, as a table
//	go run ./test/bench -run model         only those whose name matches
//	go run ./test/bench -scale 0.1         at a tenth of the size, without goals
//	go run ./test/bench -o json
//
// Every figure has a name, a unit, a goal where there is one, and says how it was
// measured. docs/performance.md explains them. The same operations are ordinary
// benchmarks as well, for profiles:
//
//	go test -run '^$' -bench Opened -cpuprofile cpu.out ./test/bench
package main
