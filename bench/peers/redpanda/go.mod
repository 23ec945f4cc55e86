module oncegate.example/bench/redpanda

go 1.24

require github.com/redpanda-data/connect/v4 v4.105.0
