//! Decides which agent and which session a message belongs to.
