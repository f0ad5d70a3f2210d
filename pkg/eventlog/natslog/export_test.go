package natslog

// Decoder is what the log decodes with.
var Decoder = decoder
