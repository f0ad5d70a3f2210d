module github.com/posse-pos/posse/events

go 1.26.0
