import { randomUUID } from 'node:crypto';
import { hooks, programmingModel, type RegisteredFunction } from './functions-core.ts';

export interface Invocation {
  /** The trigger's data as the host sends it to the worker (RpcTypedData). */
  input: object;
  triggerMetadata?: Record<string, object>;
  traceparent?: string | undefined;
}

export interface Outcome {
  returnValue: unknown;
  outputs: { name: string; data: unknown }[];
}

/** Invokes a function as the Functions worker does: arguments, hooks, handler and response through the library's own model. */
export async function invoke(registered: RegisteredFunction, invocation: Invocation): Promise<Outcome> {
  const { name, bindings } = registered;
  const trigger = Object.values(bindings).find((binding) => binding.type.endsWith('Trigger'))!;
  const invocationId = randomUUID();
  const core = {
    invocationId,
    metadata: { name, bindings: withoutUndefined(bindings) },
    request: {
      invocationId,
      functionId: name,
      inputData: [{ name: trigger.name, data: invocation.input }],
      triggerMetadata: invocation.triggerMetadata ?? {},
      traceContext: { traceParent: invocation.traceparent ?? '', traceState: '', attributes: {} },
      retryContext: null,
    },
    state: undefined as string | undefined,
    log: (level: string, category: string, message: string) => {
      if (category === 'user') console.log(JSON.stringify({ level, function: name, message }));
    },
  };
  const model = programmingModel().getInvocationModel(core);
  const { context, inputs } = await model.getArguments();
  const hookData = {};
  const pre = { functionCallback: registered.callback, inputs, hookData, appHookData, invocationContext: context };
  core.state = 'preInvocationHooks';
  await runHooks('preInvocation', pre);
  core.state = 'invocation';
  const post = {
    hookData,
    appHookData,
    invocationContext: context,
    inputs: pre.inputs,
    result: undefined as unknown,
    error: undefined as unknown,
  };
  try {
    post.result = await model.invokeFunction(context, pre.inputs, pre.functionCallback);
  } catch (error) {
    post.error = error;
  }
  core.state = 'postInvocationHooks';
  await runHooks('postInvocation', post);
  if (post.error) throw post.error;
  const response = await model.getResponse(context, post.result);
  return { returnValue: response.returnValue, outputs: response.outputData ?? [] };
}

const appHookData = {};

export async function runHooks(name: Parameters<typeof hooks.get>[0], context: object): Promise<void> {
  for (const callback of hooks.get(name) ?? []) await callback(context);
}

function withoutUndefined<T extends object>(bindings: T): T {
  return JSON.parse(JSON.stringify(bindings)) as T;
}
