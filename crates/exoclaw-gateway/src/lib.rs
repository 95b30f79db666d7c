//! A door into the runtime: listener, auth, WebSocket, HTTP.
