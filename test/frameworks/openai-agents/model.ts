import { Usage, type Model, type ModelRequest, type ModelResponse } from '@openai/agents'
import { assistantMessage, functionCall } from '@openai/agents/testing'

/** One tool call that a scripted model makes. */
export type Call = readonly [tool: string, args: Record<string, unknown>]

/** What a scripted model makes of the answers of its last calls: further calls, or a last word. None: the first turn. */
export type Script = (answers: readonly string[]) => readonly Call[] | string

let calls = 0

/** A model of @openai/agents that follows a script; every tool call gets an id of its own, as models do it. */
export function scriptedModel(script: Script): Model {
  return {
    async getResponse(request: ModelRequest): Promise<ModelResponse> {
      const turn = script(answersIn(request))
      const output =
        typeof turn === 'string'
          ? [assistantMessage(turn)]
          : turn.map(([name, args]) => functionCall(name, args, { callId: `call_${(calls += 1)}` }))
      return { usage: new Usage(), output }
    },
    // oxlint-disable-next-line require-yield -- nobody streams here
    async *getStreamedResponse() {
      throw new Error('this script does not stream')
    },
  }
}

/** What the tools answered since the model last spoke, as it reads it. */
function answersIn({ input }: ModelRequest): readonly string[] {
  if (typeof input === 'string') return []
  const since = input.findLastIndex((item) => item.type === 'function_call') + 1
  return input.slice(since).flatMap((item) => (item.type === 'function_call_result' ? [textOf(item.output)] : []))
}

function textOf(output: unknown): string {
  if (typeof output === 'string') return output
  const { text } = output as { readonly text?: string }
  return text ?? JSON.stringify(output)
}

/** As a real model does it: calls, and while an answer is no success calls again, at most `tries` times. */
export function persistent(
  made: readonly Call[],
  isSuccess: (answer: string) => boolean,
  told: string[] = [],
  tries = 3,
): Script {
  return (answers) => {
    told.push(...answers)
    const failures = told.filter((answer) => !isSuccess(answer)).length
    if (answers.length > 0 && (answers.every(isSuccess) || failures >= tries)) return 'Done.'
    return made
  }
}
