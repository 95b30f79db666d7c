# Short names for `cargo xtask`, which needs no just.

# Build everything and start the daemon
up *ARGS:
    cargo xtask up {{ARGS}}

# Build everything and run all tests
test *ARGS:
    cargo xtask test {{ARGS}}

# The other gates, or those that are named
ci *GATES:
    cargo xtask ci {{GATES}}

# Only make the machine ready
setup:
    cargo xtask setup

# Only build the example plugins in Rust
plugins:
    cargo xtask plugins

# Examples and new projects in each language, with npm and pip
languages *ARGS:
    cargo xtask languages {{ARGS}}

# Programs of others as clients of the daemon, with npm and pip
clients *ARGS:
    cargo xtask clients {{ARGS}}

# Kills, power cuts, failing and full disks
faults *ARGS:
    cargo xtask faults {{ARGS}}

# Mutated inputs for every decoder of outside bytes
fuzz *ARGS:
    cargo xtask fuzz {{ARGS}}

# Autobahn's cases against the WebSocket stack, with pip
conformance:
    cargo xtask conformance

# Measure the page, and take the pictures that the README shows
page:
    cargo xtask page

# All tests, with a floor for the lines they reach
coverage:
    cargo xtask coverage

# Measure a release build
bench *WHAT:
    cargo xtask bench {{WHAT}}
