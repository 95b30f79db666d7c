//! One owner of one socket: request, subscribe, resume.
