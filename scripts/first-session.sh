#!/usr/bin/env bash
# Records the way from `git clone` to a first session, on standard output: the commands as
# they are typed, and what they print. It runs them in a folder of its own, which is gone
# when it ends. docs/first-session.md holds the recording, and a test in docs/ compares.
#
#	scripts/first-session.sh [ADDRESS]
#
# The program is README's. ADDRESS is where it listens, 127.0.0.1:8080 unless given; what is
# recorded is that address in any case.
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd)
shown=127.0.0.1:8080
address=${1:-$shown}
folder=$(mktemp -d)
server=

clean_up() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	rm -rf "$folder"
}
trap clean_up EXIT

# say records a command, and do_ also runs it.
say() { echo "\$ $1"; }
do_() {
	say "$1"
	eval "${2:-$1}"
}

# first_program takes the first program out of README.
first_program() {
	awk '/^```go$/ { inside = 1; text = ""; next }
	     /^```$/ && inside { if (text ~ /^package main\n/) { printf "%s", text; exit } inside = 0 }
	     inside { text = text $0 "\n" }' "$checkout/README.md"
}

wait_for() {
	local tries
	for tries in $(seq 600); do
		curl -s -o /dev/null "http://$1/" && return
		sleep 0.1
	done
	echo "nothing listens at $1" >&2
	return 1
}

export GOWORK=off GOFLAGS=-mod=mod
cd "$folder"
do_ 'git clone -q https://example.com/cookiestore.git' "git clone -q '$checkout' cookiestore"
do_ 'mkdir visits && cd visits'
do_ 'go mod init visits' 'go mod init visits 2>/dev/null'
do_ 'go mod edit -replace example.com/cookiestore=../cookiestore'
say 'cat > main.go   # paste the first program of README'
first_program | sed "s/$shown/$address/" >main.go
do_ 'go mod tidy' 'go mod tidy 2>/dev/null'
do_ 'export SESSION_KEY=$(openssl rand -hex 32)'
say 'go run . &'
go build -o visits . # so that there is one process to end
./visits &
server=$!
wait_for "$address"
do_ "curl -b jar -c jar http://$shown/" "curl -sS -b jar -c jar http://$address/"
do_ "curl -b jar -c jar http://$shown/" "curl -sS -b jar -c jar http://$address/"
