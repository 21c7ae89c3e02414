import Module from 'node:module';

/**
 * Stands for `@azure/functions-core`, the module that the Functions worker gives to `@azure/functions`: it collects what
 * an app registers. Leaves out what Maru does not use: flat entry points of older models and the worker's gRPC channel.
 */
interface Binding {
  name: string;
  type: string;
  direction: string;
  queueName?: string;
  connection?: string;
  route?: string;
  methods?: string[];
  authLevel?: string;
  schedule?: string;
}

export interface RegisteredFunction {
  name: string;
  bindings: Record<string, Binding>;
  callback: (...args: unknown[]) => unknown;
}

/** What the library's programming model is used for (see its InvocationModel). */
export interface ProgrammingModel {
  getInvocationModel(context: object): {
    getArguments(): Promise<{ context: object; inputs: unknown[] }>;
    invokeFunction(context: object, inputs: unknown[], handler: (...args: unknown[]) => unknown): Promise<unknown>;
    getResponse(
      context: object,
      result: unknown,
    ): Promise<{ returnValue?: unknown; outputData?: { name: string; data: unknown }[] }>;
  };
}

export type HookName = 'appStart' | 'appTerminate' | 'preInvocation' | 'postInvocation' | 'log';

export const functions = new Map<string, RegisteredFunction>();
export const hooks = new Map<HookName, ((context: object) => unknown)[]>();
let model: ProgrammingModel | undefined;

export function programmingModel(): ProgrammingModel {
  if (!model) throw new Error('the app did not load @azure/functions');
  return model;
}

const core = {
  version: '4.0.0',
  hostVersion: '4.0.0',
  setProgrammingModel(given: ProgrammingModel) {
    model = given;
  },
  getProgrammingModel: () => model,
  registerFunction(
    metadata: { name: string; bindings: Record<string, Binding> },
    callback: RegisteredFunction['callback'],
  ) {
    if (functions.has(metadata.name)) throw new Error(`a function named "${metadata.name}" is registered already`);
    functions.set(metadata.name, { name: metadata.name, bindings: metadata.bindings, callback });
    return { dispose: () => functions.delete(metadata.name) };
  },
  registerHook(name: HookName, callback: (context: object) => unknown) {
    const callbacks = hooks.get(name) ?? [];
    hooks.set(name, [...callbacks, callback]);
    return {
      dispose: () =>
        hooks.set(
          name,
          (hooks.get(name) ?? []).filter((known) => known !== callback),
        ),
    };
  },
  log(level: string, _category: string, message: string) {
    console.log(JSON.stringify({ level, message }));
  },
};

/** Makes `require('@azure/functions-core')` find this module, as the worker does. */
export function install(): void {
  const loader = Module as unknown as { _load(request: string, ...rest: unknown[]): unknown };
  const load = loader._load;
  loader._load = (request, ...rest) =>
    request === '@azure/functions-core' ? core : load.call(loader, request, ...rest);
}
