module github.com/pandabeardb/panda

go 1.26
