import type { FlowState } from '../../../functions/conversation/flow.ts';

/** A flow that waits at a step for what is to become of an order. */
export function flowAt(step: string, order: string, flow = 'order_cancel'): FlowState {
  const slots = { order: { value: order, label: order } };
  return {
    flow,
    step,
    slots,
    options: {},
    values: {},
    tries: 0,
    shown: null,
    confirmed: {},
    declined: {},
    askedAt: 0,
    updatedAt: 1,
  };
}
