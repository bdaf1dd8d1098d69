const FLAGS_LIKE_TICKETS: readonly string[] = ['--show-input', '--value-file']

/**
 * The arguments with a ticket that begins with a hyphen made into a beginning of its key. A ticket is random text, and
 * one in 64 begins so: right behind `ledger show` and `ledger resolve` it is no flag.
 */
export function ticketFirst(args: readonly string[]): readonly string[] {
  const [group, command, ticket] = args
  if (group !== 'ledger' || (command !== 'show' && command !== 'resolve')) return args
  if (ticket === undefined || !/^-[\w-]{11}$/.test(ticket) || FLAGS_LIKE_TICKETS.includes(ticket)) return args
  return [group, command, `of1_${ticket}`, ...args.slice(3)]
}
