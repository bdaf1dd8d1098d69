/** A plain client as there are many: tries three times, with a fresh key each time unless it is told one. */
export async function send(url: string, body: object, key?: string): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key ?? crypto.randomUUID() },
        body: JSON.stringify(body),
      })
      if (response.ok || attempt === 3 || response.headers.get('x-should-retry') === 'false') return response
    } catch (error) {
      if (attempt === 3) throw error
    }
  }
}
