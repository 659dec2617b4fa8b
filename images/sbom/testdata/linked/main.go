// Command linked is a program with a module of others in it.
package main

import "golang.org/x/sys/unix"

func main() { unix.Sync() }
