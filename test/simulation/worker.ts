import { runBatch, type BatchOptions } from './batch.ts'

/** One process of `npm run simulate`: gets rows of seeds, sends back what they came to. */
process.on('message', (options: BatchOptions) => {
  void runBatch(options).then(
    (batch) => process.send?.(batch),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
      process.exit(1)
    },
  )
})
