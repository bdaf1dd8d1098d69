/** Inputs: key, tenant. Answers: the events, oldest first. */
export const SELECT_HISTORY = `
  SELECT at, transition, from_state, to_state, fence, nonce, who, why, open_sends
  FROM history WHERE record = (SELECT id FROM records WHERE key = ? AND tenant = ?)
  ORDER BY n
`
