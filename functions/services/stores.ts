import { queuedSkills } from '../skills/names.ts';

/**
 * Everything that is stored, and where: the one record that the functions, the local platform, erasure, export and the
 * tests of infra/ read. What is not here must not be written.
 */
export interface Container {
  /** Partition key. */
  partitionKey: '/id' | '/conversationId';
  /** Days that a document stays after its last write, or the setting that says so; null: until it is removed. */
  days: 'CONVERSATION_DAYS' | 'USER_DAYS' | 'CALL_LOG_DAYS' | number | null;
  /** Paths that queries ask for; everything else is not indexed. */
  indexed: readonly string[];
  /** What it holds of a user; null: nothing. */
  user: UserData | null;
}

interface UserData {
  holds: string;
  /** The documents that have something of a user (@user), as the condition of a query; null: they are found by another store's. */
  found: string | null;
  /** `whole`: the documents are the user's own. `part`: others share them, and only the user's part goes (services/erasure.ts). */
  is: 'whole' | 'part';
  exported: boolean;
}

export const containers = {
  conversations: {
    partitionKey: '/id',
    days: 'CONVERSATION_DAYS',
    indexed: ['/wakeAt/?', '/participants/[]/?', '/speaker/kind/?', '/speaker/since/?', '/callback/since/?'],
    user: {
      holds: 'the last turns with their replies, the state of the dialog, how to reach the channel',
      found: 'ARRAY_CONTAINS(c.participants, @user)',
      is: 'part',
      exported: true,
    },
  },
  users: {
    partitionKey: '/id',
    days: 'USER_DAYS',
    indexed: ['/customerIds/[]/?'],
    user: {
      holds: 'the id that the channel or client gave, the language, the customer of the shop',
      found: 'c.id = @user',
      is: 'whole',
      exported: true,
    },
  },
  turns: {
    partitionKey: '/conversationId',
    days: 'CALL_LOG_DAYS',
    indexed: ['/userId/?', '/answeredAt/?', '/ordinal/?', '/understanding/intent/?', '/feedback/rating/?'],
    user: {
      holds: 'the call log: texts with personal details masked, replies, intents, timings, feedback',
      found: 'c.userId = @user',
      is: 'whole',
      exported: true,
    },
  },
  notes: {
    partitionKey: '/id',
    days: 'CONVERSATION_DAYS',
    indexed: ['/participants/[]/?'],
    user: {
      holds: 'what the staff noted of a conversation among themselves, and drafts of answers',
      found: 'ARRAY_CONTAINS(c.participants, @user)',
      is: 'whole',
      exported: true,
    },
  },
  lessons: {
    partitionKey: '/id',
    days: 400,
    indexed: ['/at/?', '/participants/[]/?'],
    user: {
      holds: 'which turn a lesson for the bot was made of; the lesson itself is without personal details',
      found: 'ARRAY_CONTAINS(c.participants, @user)',
      is: 'part',
      exported: true,
    },
  },
  staff: {
    partitionKey: '/id',
    days: 30,
    indexed: ['/seenAt/?'],
    user: null,
  },
  incidents: {
    partitionKey: '/id',
    days: 'CALL_LOG_DAYS',
    indexed: ['/at/?', '/userId/?'],
    user: {
      holds: 'which of the turns failed, when and why; no text',
      found: 'c.userId = @user',
      is: 'whole',
      exported: true,
    },
  },
  statistics: {
    partitionKey: '/id',
    days: 800,
    indexed: ['/hourAt/?', '/dayAt/?', '/staleAt/?'],
    user: {
      holds:
        'counts; of users how many there were, in a sketch that whoever has an id may ask whether that one can have been among few',
      found: null,
      is: 'part',
      exported: false,
    },
  },
  reviews: {
    partitionKey: '/id',
    days: 400,
    indexed: ['/participants/[]/?', '/decidedAt/?'],
    user: {
      holds: 'of which turns a label was made; the text itself is without personal details',
      found: 'ARRAY_CONTAINS(c.participants, @user)',
      is: 'part',
      exported: true,
    },
  },
  content: {
    partitionKey: '/id',
    days: null,
    indexed: ['/draftAt/?', '/serial/?'],
    user: null,
  },
  audit: {
    partitionKey: '/id',
    days: 400,
    indexed: ['/at/?'],
    user: {
      holds:
        'which of the staff looked at, exported or erased what, and when; a user by the hash of the id, and no text of theirs',
      found: null,
      is: 'whole',
      exported: false,
    },
  },
  releases: {
    partitionKey: '/id',
    days: null,
    indexed: ['/pushedAt/?'],
    user: null,
  },
  ramps: {
    partitionKey: '/id',
    days: null,
    indexed: [],
    user: null,
  },
  replays: {
    partitionKey: '/id',
    days: 400,
    indexed: ['/startedAt/?'],
    user: null,
  },
  trainings: {
    partitionKey: '/id',
    days: null,
    indexed: ['/at/?', '/state/?'],
    user: null,
  },
  trials: {
    partitionKey: '/id',
    days: 400,
    indexed: ['/training/?'],
    user: null,
  },
  erasures: {
    partitionKey: '/id',
    days: 2,
    indexed: ['/repeatAt/?'],
    user: {
      holds: 'that a user was erased, by the hash of the id, until nothing of before can be under way',
      found: null,
      is: 'whole',
      exported: false,
    },
  },
} as const satisfies Record<string, Container>;

export type ContainerName = keyof typeof containers;

/** Queues by name; each has `<name>-poison` beside it. Messages name a document by its stored id, and carry no text. */
export const queues = [
  'turns',
  'replies',
  'call-log',
  'releases',
  'training',
  ...queuedSkills.map((name) => `skill-${name}`),
];

export const poisonOf = (queue: string): string => `${queue}-poison`;

/** Blob containers. */
export const blobContainers = {
  attachments: {
    /** Below `<user>/<conversation>/`, with the time of acceptance as metadata. */
    user: { holds: 'pictures that the user sent', found: 'by folder', is: 'whole', exported: true },
    days: 30,
  },
  /** What was published of the bot's content: `bundles/<version>.json`. */
  content: { user: null, days: null },
  /** Of each training job what it learns from, its packages and its report: `<id>/`. */
  trainings: { user: null, days: 400 },
  /** Model packages (MODEL_BLOB_URL of the inference container). */
  models: { user: null, days: null },
  /** The apps' own packages, each in a container of its own: they have one name. */
  deployments: { user: null, days: null },
  'deployments-training': { user: null, days: null },
} as const;
