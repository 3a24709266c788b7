#!/usr/bin/env bash
# Everything a change has to pass, from a fresh clone on: what tests need, the packages, the linter, all tests. The machine may
# be small and busy: a file that failed among the others has a second run, alone, and is named when that passes.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
if [ ! -d node_modules ]; then npm ci; fi
rm -rf dist build
npm run --silent lint
npm run --silent test -- --rerun-failed
