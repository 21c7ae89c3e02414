import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { Option, Values } from '../../functions/conversation/flow.ts';
import { listen, type Running } from '../../scripts/local/listening.ts';

/**
 * Stands for the clinic's own system on one machine (`npm start -- --bot examples/clinic`): which times are free, and who has
 * booked them, in memory. It checks the signature of each call, and does the same thing once for the same key. Leaves out doctors,
 * holidays and everything medical.
 */
const KEY = 'local-clinic-key';
const DEPARTMENTS = ['internal', 'dermatology', 'pediatrics', 'orthopedics', 'ent'];
const NAMES: Record<string, Record<string, string>> = {
  internal: { ja: '内科', en: 'Internal medicine' },
  dermatology: { ja: '皮膚科', en: 'Dermatology' },
  pediatrics: { ja: '小児科', en: 'Pediatrics' },
  orthopedics: { ja: '整形外科', en: 'Orthopedics' },
  ent: { ja: '耳鼻科', en: 'ENT' },
};

interface Appointment {
  number: string;
  department: string;
  day: string;
  time: string;
  customerId: string | null;
}

interface Request {
  slots: Record<string, string>;
  customerId: string | null;
}

interface Answer {
  status: number;
  body: { result: string; values?: Values; options?: Option[] };
}

export interface Clinic extends Running {
  settings: Record<string, string>;
  appointments: Appointment[];
}

/** Starts it; `settings` are what the gateway needs to reach it. */
export async function startLocal(port = 0): Promise<Clinic> {
  const appointments: Appointment[] = [];
  const answered = new Map<string, Answer>();

  const actions: Record<string, (request: Request) => Answer> = {
    'free-times': ({ slots: { department = '', day = '' } }) => {
      const open = timesOf(day);
      if (!DEPARTMENTS.includes(department) || open.length === 0) return said('closed');
      const free = open.filter((time) => !appointments.some((one) => isSame(one, { department, day, time })));
      if (free.length === 0) return said('full');
      return said('options', { options: free.map((time) => ({ value: time, names: [], label: { time } })) });
    },
    book: ({ slots: { department = '', day = '', time = '' }, customerId }) => {
      if (!timesOf(day).includes(time) || appointments.some((one) => isSame(one, { department, day, time })))
        return { ...said('taken'), status: 409 };
      const number = `A-${101 + appointments.length}`;
      appointments.push({ number, department, day, time, customerId });
      return said('done', { values: { number } });
    },
    appointments: ({ customerId }) => {
      const own = appointments.filter((one) => one.customerId === customerId && customerId !== null);
      return own.length === 0 ? said('none') : said('options', { options: own.map(optionOf) });
    },
    cancel: ({ slots, customerId }) => {
      const index = appointments.findIndex(
        (one) => one.number === slots.appointment && one.customerId === customerId && customerId !== null,
      );
      if (index < 0) return { ...said('unknown'), status: 404 };
      appointments.splice(index, 1);
      return said('done');
    },
  };

  const server = createServer(async (request, response) => {
    const send = ({ status, body }: Answer | { status: number; body: unknown }) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    try {
      const body = await read(request);
      if (!isSigned(request, body)) return send({ status: 401, body: { error: 'the signature is not ours' } });
      const action = actions[request.url?.slice(1) ?? ''];
      if (!action) return send({ status: 404, body: { error: 'there is no such action' } });
      const key = String(request.headers['idempotency-key']);
      const known = answered.get(key) ?? action(JSON.parse(body) as Request);
      answered.set(key, known);
      return send(known);
    } catch (error) {
      return send({ status: 400, body: { error: String(error) } });
    }
  });
  const running = await listen(server, port);
  return { ...running, appointments, settings: { CLINIC_URL: running.url, CLINIC_KEY: KEY } };
}

function said(result: string, more: Omit<Answer['body'], 'result'> = {}): Answer {
  return { status: 200, body: { result, ...more } };
}

function optionOf({ number, department, day, time }: Appointment): Option {
  const values = { day: { date: day }, time: { time }, department: { text: NAMES[department]! } };
  return {
    value: number,
    names: Object.values(NAMES[department]!),
    label: { phrase: 'appointment_label', with: values },
    values,
  };
}

/** Every half hour: Monday to Friday 9:00–12:30 and 15:00–18:30, Saturday 9:00–12:30. */
function timesOf(day: string): string[] {
  const weekday = new Date(`${day}T00:00:00Z`).getUTCDay();
  if (Number.isNaN(weekday) || weekday === 0) return [];
  const halves = (from: number, to: number) =>
    Array.from({ length: (to - from) * 2 }, (_, index) => {
      const hour = String(Math.floor(from + index / 2)).padStart(2, '0');
      return `${hour}:${(from + index / 2) % 1 === 0 ? '00' : '30'}`;
    });
  return weekday === 6 ? halves(9, 12.5) : [...halves(9, 12.5), ...halves(15, 18.5)];
}

function isSame(one: Appointment, { department, day, time }: Omit<Appointment, 'number' | 'customerId'>): boolean {
  return one.department === department && one.day === day && one.time === time;
}

function isSigned({ headers }: IncomingMessage, body: string): boolean {
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const expected = Buffer.from(`v1,${createHmac('sha256', KEY).update(signed).digest('base64')}`);
  const given = Buffer.from(String(headers['webhook-signature']));
  return given.length === expected.length && timingSafeEqual(given, expected);
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
