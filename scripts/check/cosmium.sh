#!/usr/bin/env bash
# Another server that speaks Cosmos DB's protocol, into .local/cosmium: test/local/cosmos.test.ts holds the stand-in against it. It is pinned to
# the newest version that the Go proxy has; built by Go, and not again where it is there already.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$PWD/.local/cosmium/bin
[ -x "$bin/server" ] && exit
mkdir -p "$bin"
source=$(mktemp -d)
# Installed by name, Go asks the proxy for the list of versions, which it refuses; a module that requires this one is not asked.
cd "$source"
go mod init cosmium >/dev/null 2>&1
go mod edit -require=github.com/pikami/cosmium@v0.1.20
go get github.com/pikami/cosmium/cmd/server@v0.1.20 >/dev/null 2>&1 || true
go build -mod=mod -o "$bin/server" github.com/pikami/cosmium/cmd/server
rm -r "$source"
