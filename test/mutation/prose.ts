/**
 * A Stryker plugin that leaves prose alone: a text with a blank in it is written for people (messages, reasons, advice).
 * What programs compare, such as codes, states, tags, names and separators, has none and is mutated like everything else.
 */

interface Node {
  readonly type: string
  readonly value?: unknown
  readonly quasis?: readonly { readonly value: { readonly raw: string } }[]
}

const isProse = (text: unknown): boolean => typeof text === 'string' && /\S\s|\s\S/.test(text)

const WHY = 'prose: its wording is for people'

export const strykerPlugins = [
  {
    kind: 'Ignore',
    name: 'prose',
    value: {
      shouldIgnore({ node }: { readonly node: Node }): string | undefined {
        if (node.type === 'StringLiteral') return isProse(node.value) ? WHY : undefined
        if (node.type === 'TemplateLiteral')
          return node.quasis?.some((quasi) => isProse(quasi.value.raw)) === true ? WHY : undefined
        return undefined
      },
    },
  },
]
