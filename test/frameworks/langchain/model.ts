import { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { AIMessage, type BaseMessage } from '@langchain/core/messages'
import type { ChatResult } from '@langchain/core/outputs'

/** One tool call that a scripted model makes. */
export type Call = readonly [tool: string, args: Record<string, unknown>]

/** What a scripted model does with the messages of a turn: calls tools, says something, or breaks down. */
export type Script = (messages: readonly BaseMessage[]) => readonly Call[] | string

let calls = 0

/** A chat model that follows a script; every tool call gets an id of its own, as models do it. */
export class ScriptedModel extends BaseChatModel {
  readonly #script: Script
  constructor(script: Script) {
    super({})
    this.#script = script
  }
  override _llmType(): string {
    return 'scripted'
  }
  override bindTools(): this {
    return this
  }
  override async _generate(messages: BaseMessage[]): Promise<ChatResult> {
    const turn = this.#script(messages)
    const message =
      typeof turn === 'string'
        ? new AIMessage(turn)
        : new AIMessage({
            content: '',
            tool_calls: turn.map(([name, args]) => ({ name, args, id: `call_${(calls += 1)}`, type: 'tool_call' })),
          })
    return { generations: [{ text: typeof turn === 'string' ? turn : '', message }] }
  }
}

/** One answer of a tool, as the model reads it. */
export interface Told {
  readonly content: string
  readonly failed: boolean
}

/** What the tools of the last turn answered, as the model reads it. */
export function toolAnswers(messages: readonly BaseMessage[]): readonly Told[] {
  const since = messages.findLastIndex((message) => message.type === 'ai') + 1
  return messages
    .slice(since)
    .filter((message) => message.type === 'tool')
    .map((message) => ({
      content: message.text,
      failed: (message as { status?: string }).status === 'error',
    }))
}

/** As a real model does it: calls, and while a call failed calls again, at most `tries` times. */
export function persistent(made: readonly Call[], told: Told[] = [], tries = 3): Script {
  return (messages) => {
    const answers = toolAnswers(messages)
    told.push(...answers)
    const failures = told.filter(({ failed }) => failed).length
    if (answers.length > 0 && (answers.every(({ failed }) => !failed) || failures >= tries)) return 'Done.'
    return made
  }
}
