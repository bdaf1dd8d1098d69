/** A queue that delivers at least once: acknowledgements are lost, so every message comes `times` times. */
export function createQueue(times: number): { deliver(consume: () => Promise<unknown>): Promise<void> } {
  return {
    async deliver(consume) {
      for (let nth = 1; nth <= times; nth += 1) {
        // A consumer that fails leaves the message in the queue; one that succeeds is not heard before the last time.
        await consume().catch(() => undefined)
      }
    },
  }
}
