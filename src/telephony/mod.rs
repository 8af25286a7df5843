//! The phone providers' dialects: forms in, TwiML out, signatures. Pure: no HTTP server here.
