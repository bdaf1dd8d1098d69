import { afterAll, describe, it } from 'vitest'
import { storeSuite } from '../../testing/index.ts'
import { memoryStore } from './index.ts'

storeSuite(
  'memory',
  {
    means: ['stepClock'],
    async open() {
      let skewMs = 0
      const store = memoryStore({ clock: () => Date.now() + skewMs })
      await store.open()
      return {
        store,
        stepClock: (ms) => {
          skewMs += ms
        },
        close: () => store.close(),
      }
    },
  },
  { describe, it, afterAll },
)
