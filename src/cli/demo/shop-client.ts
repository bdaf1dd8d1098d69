/** The caller's patience with the shop, in milliseconds. */
const DEADLINE_MS = 250

/** What the tools of both servers do: one request to the shop, whose address and faults they know nothing of. */
export interface ShopClient {
  createOrder(input: { order: string; item: string; note?: string | undefined }): Promise<object>
  refundPayment(
    input: { order: string; cents: number; reason?: string | undefined },
    idempotencyKey?: string,
  ): Promise<object>
  sendMail(input: { to: string; subject: string; body?: string | undefined }): Promise<object>
  findOrder(order: string): Promise<object>
}

/** Rejects when the connection breaks, the deadline passes, or the shop refuses. */
export function shopClient(url: string): ShopClient {
  async function request(path: string, init: RequestInit = {}): Promise<object> {
    const response = await fetch(`${url}${path}`, { ...init, signal: AbortSignal.timeout(DEADLINE_MS) })
    if (!response.ok) throw new Error(`the shop answered ${response.status}`)
    return (await response.json()) as object
  }
  const post = (path: string, body: object, headers: Record<string, string> = {}): Promise<object> =>
    request(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    })
  return {
    createOrder: (input) => post('/orders', input),
    refundPayment: (input, key) => post('/refunds', input, key === undefined ? {} : { 'idempotency-key': key }),
    sendMail: (input) => post('/mails', input),
    findOrder: (order) => request(`/orders/${encodeURIComponent(order)}`),
  }
}
