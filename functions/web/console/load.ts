import { type Signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Problem } from './api.ts';
import { online, signedOut } from './live.ts';

export interface Loaded<T> {
  data: T | null;
  problem: Problem | null;
  loading: boolean;
}

/** What a question of the API gives, asked anew whenever `key` is another and, with `every`, while the page is looked at. */
export function useLoaded<T>(
  key: string,
  ask: () => Promise<{ data?: T; error?: unknown; response: Response }>,
  every?: number,
): Signal<Loaded<T>> {
  const loaded = useSignal<Loaded<T>>({ data: null, problem: null, loading: true });
  useEffect(() => {
    let isOver = false;
    const look = async () => {
      loaded.value = { ...loaded.value, loading: true };
      const next = await once(ask);
      if (!isOver) loaded.value = next.data || next.problem ? next : { ...loaded.value, loading: false };
    };
    void look();
    const timer = every ? setInterval(() => document.hidden || void look(), every) : undefined;
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [key]);
  return loaded;
}

/** One question: its answer or its problem; neither: the platform could not be reached. */
export async function once<T>(
  ask: () => Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<Loaded<T>> {
  try {
    const { data, error, response } = await ask();
    online.value = true;
    if (data !== undefined) return { data, problem: null, loading: false };
    if (response.status === 401) signedOut.value += 1;
    const known = error as Partial<Problem> | undefined;
    const problem = { status: response.status, code: '', title: response.statusText, ...known };
    return { data: null, problem, loading: false };
  } catch {
    online.value = false;
    return { data: null, problem: null, loading: false };
  }
}
