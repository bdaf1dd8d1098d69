/** One order of the day. */
export interface Order {
  readonly id: number
  readonly sku: string
  readonly quantity: number
  readonly cents: number
}

const SKUS = 40

/** `count` orders, always the same. */
export function ordersOf(count: number): readonly Order[] {
  return Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    sku: `sku-${String(index % SKUS).padStart(2, '0')}`,
    quantity: 1 + (index % 3),
    cents: 1_990 + 500 * (index % 9),
  }))
}

/** Exactly what the orders need: whatever is taken twice is missing. */
export function stockFor(orders: readonly Order[]): Readonly<Record<string, number>> {
  const stock: Record<string, number> = {}
  for (const { sku, quantity } of orders) stock[sku] = (stock[sku] ?? 0) + quantity
  return stock
}
