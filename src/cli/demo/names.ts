/** The demonstrations with programs of their own; the stories of the catalogue stand beside them under their ids. */
export const DEMOS = [
  ['black-friday', 'an inventory agent behind a retrying gateway: 4,200 orders at 14 times the ordinary load'],
  ['lost-answers', 'an agent over an MCP server that loses 30 % of its answers'],
] as const
