/** Stands in for a command that has not landed: says so in one line and fails, instead of looking like success. */
console.error(
  `${process.argv[2]}: not here yet; it comes with the proof of the engine (docs/reference/protocol.md, section 5)`,
)
process.exit(2)
