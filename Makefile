# Every developer habit is a target: see `make help`.
