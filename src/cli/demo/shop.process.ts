/**
 * The shop as a process of its own: `shop.process.ts BOOKS SEED`. Says its address on standard output as one line of JSON,
 * and ends when its standard input does, so that it never outlives whoever started it.
 */
import { startShop } from './shop.ts'

const [books = '', seed = '1'] = process.argv.slice(2)
const shop = await startShop({ books, seed: Number(seed) })
process.stdout.write(`${JSON.stringify({ url: shop.url })}\n`)
process.stdin.resume().on('end', () => shop.close())
