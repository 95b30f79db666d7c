//! Sessions and runs, the product without a socket.
