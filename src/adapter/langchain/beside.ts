import { withNote } from '../shared/index.ts'
import { answersIn, isCommand, isToolMessage, withSaid, type ToolMessageLike } from './direct.ts'

/** What a tool handed back, with what the model is told beside it: in the message that answers the call, where there is one. */
export function besideResult(
  result: unknown,
  note: string,
  how: { readonly responseFormat?: string | undefined; readonly callId: string | undefined },
): unknown {
  if (isToolMessage(result)) return noted(result, note)
  if (isCommand(result)) {
    const update = answersIn(result.update, how.callId, (message) =>
      isToolMessage(message) ? noted(message, note) : { ...message, content: contentWith(message['content'], note) },
    )
    return Object.create(Object.getPrototypeOf(result) as object, {
      ...Object.getOwnPropertyDescriptors(result),
      update: { value: update, writable: true, configurable: true, enumerable: true },
    })
  }
  if (how.responseFormat !== 'content_and_artifact' || !Array.isArray(result)) return withNote(result, note)
  return [withNote(result[0], note), result[1] as unknown]
}

const noted = (message: ToolMessageLike, note: string): unknown =>
  withSaid(message, { id: message['id'], content: contentWith(message.content, note) })

const contentWith = (content: unknown, note: string): unknown =>
  Array.isArray(content) ? [...(content as unknown[]), { type: 'text', text: note }] : withNote(content, note)
