/** The contract file that the protected run uses; examples/lost-answers/onefold.yaml is the same text. */
export const CONTRACTS = `# What makes two calls the same operation, and what settles an unknown outcome.
mcp:
  name: shop
  tools:
    find_order:
      effect: read
    create_order: # the shop has no keys for orders, but it can be asked
      effect: write
      identity: [order]
      ignore: [note]
      recovery:
        probe: { tool: find_order, arguments: { order: $identity.order }, found: structuredContent.order.id }
        settle: 1s
    refund_payment: # the shop honours our key: an unknown outcome is settled by sending it again
      effect: write
      identity: [order]
      ignore: [reason]
      recovery: { keyed: 24h, key: arguments.idempotency_key }
    send_mail: # nobody can know whether a mail left: a person decides
      effect: write
      identity: [to, subject]
      ignore: [body]
      recovery: manual
`
