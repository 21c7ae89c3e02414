import { signal } from '@preact/signals';

/** What the console says, in the staff's own language. */
const texts = {
  console: { en: 'Console', ko: '콘솔' },
  list: { en: 'Conversations', ko: '대화 목록' },
  conversation: { en: 'Conversation', ko: '대화' },
  desk: { en: 'Desk', ko: '상담' },
  signIn: { en: 'Sign in', ko: '로그인' },
  signInWhy: {
    en: 'The console is for the service staff. Sign in to see who waits.',
    ko: '콘솔은 상담 직원용이에요. 로그인하면 대기 고객을 볼 수 있어요.',
  },
  signOut: { en: 'Sign out', ko: '로그아웃' },
  noRole: {
    en: 'You have signed in, but your roles do not allow this page. Ask an admin for the role “agent”.',
    ko: '로그인했지만 이 페이지를 볼 권한이 없어요. 관리자에게 "agent" 역할을 요청하세요.',
  },
  language: { en: '한국어', ko: 'English' },
  waiting: { en: 'Waiting', ko: '대기 중' },
  mine: { en: 'Mine', ko: '내 상담' },
  others: { en: 'With colleagues', ko: '동료 상담' },
  messages: { en: 'Messages left', ko: '남긴 메시지' },
  nobody: { en: 'Nobody is waiting.', ko: '대기 중인 고객이 없어요.' },
  closed: { en: 'Outside office hours: messages are taken.', ko: '상담 시간이 아니에요. 메시지를 받아 두고 있어요.' },
  choose: { en: 'Choose a conversation on the left.', ko: '왼쪽에서 대화를 고르세요.' },
  back: { en: 'All conversations', ko: '대화 목록' },
  take: { en: 'Take it', ko: '상담 시작' },
  takeOver: { en: 'Take over from the bot', ko: '챗봇 대신 상담하기' },
  giveBack: { en: 'Give back to the bot', ko: '챗봇에게 돌려주기' },
  pass: { en: 'Hand over', ko: '다른 상담원에게' },
  passTo: { en: 'Hand this conversation to', ko: '이 대화를 넘길 상담원' },
  anyone: { en: 'Whoever is free', ko: '가능한 상담원 아무나' },
  close: { en: 'Close', ko: '상담 종료' },
  closeAs: { en: 'What did it end as?', ko: '어떻게 마무리되었나요?' },
  cancel: { en: 'Cancel', ko: '취소' },
  send: { en: 'Send', ko: '보내기' },
  write: {
    en: 'Write to the customer. “/” for answers that are written already.',
    ko: '고객에게 보낼 메시지를 쓰세요. “/”를 누르면 준비된 답변이 나와요.',
  },
  note: { en: 'Add note', ko: '메모 남기기' },
  noteWrite: {
    en: 'A note for colleagues; no customer sees it.',
    ko: '동료에게 남기는 메모예요. 고객에게는 보이지 않아요.',
  },
  notes: { en: 'Notes', ko: '메모' },
  noNotes: { en: 'No notes yet.', ko: '아직 메모가 없어요.' },
  older: { en: 'Show older', ko: '이전 대화 보기' },
  customer: { en: 'Customer', ko: '고객' },
  guest: { en: 'Guest', ko: '비회원' },
  bot: { en: 'Bot', ko: '챗봇' },
  channel: { en: 'Channel', ko: '채널' },
  spoken: { en: 'Language', ko: '언어' },
  reason: { en: 'Reason', ko: '사유' },
  reference: { en: 'Reference', ko: '접수번호' },
  looking: { en: 'also looking', ko: '함께 보는 중' },
  pending: { en: 'on its way', ko: '전송 중' },
  undelivered: { en: 'not delivered', ko: '전송 실패' },
  unanswered: { en: 'waits for you', ko: '답변 대기' },
  ended: { en: 'Closed as', ko: '종료:' },
  rated: { en: 'Rated', ko: '평가' },
  tooLong: { en: 'A message that was too long to be taken', ko: '너무 길어서 받지 못한 메시지' },
  sendPicture: { en: 'Picture', ko: '사진 보내기' },
  tooMany: { en: 'More pictures than are taken at once', ko: '한 번에 받을 수 있는 수를 넘은 사진' },
  typing: { en: 'The customer is writing …', ko: '고객이 입력하고 있어요…' },
  dismiss: { en: 'Dismiss', ko: '처리 완료' },
  profile: { en: 'Profile and orders', ko: '고객 정보와 주문' },
  since: { en: 'since', ko: '최초 문의' },
  away: { en: 'What this asks is away', ko: '지금은 불러올 수 없어요' },
  none: { en: 'None', ko: '없음' },
  teach: { en: 'Teach the bot this answer', ko: '이 답변을 챗봇에게 가르치기' },
  teachAs: { en: 'As', ko: '형태' },
  teachFaq: { en: 'an entry of the FAQ', ko: '자주 묻는 질문' },
  teachUtterance: { en: 'another way to say something', ko: '같은 뜻의 다른 표현' },
  teachAnswer: { en: 'an answer', ko: '답변' },
  taught: { en: 'Kept: who looks after the bot finds it.', ko: '저장했어요. 챗봇 담당자가 확인할 수 있어요.' },
  intent: { en: 'Intent', ko: '의도' },
  question: { en: 'Question', ko: '질문' },
  answer: { en: 'Answer', ko: '답변 내용' },
  keep: { en: 'Keep', ko: '저장' },
  picture: { en: 'Picture', ko: '사진' },
  withPerson: { en: 'with', ko: '상담:' },
  lost: { en: 'No connection; trying again …', ko: '연결이 끊겼어요. 다시 시도하는 중이에요…' },
  failed: { en: 'That did not work', ko: '처리하지 못했어요' },
  justNow: { en: 'just now', ko: '방금' },
  nothing: { en: 'No answer is named so', ko: '그런 이름의 답변이 없어요' },
} as const;

export type Language = 'en' | 'ko';

const KEPT = 'maru-console-language';

export const language = signal<Language>(first());

function first(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === 'en' || kept === 'ko') return kept;
  return navigator.language.startsWith('ko') ? 'ko' : 'en';
}

export function speak(next: Language): void {
  language.value = next;
  localStorage.setItem(KEPT, next);
}

export function say(name: keyof typeof texts): string {
  return texts[name][language.value];
}

/** How long ago, as a person says it. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 45) return say('justNow');
  const format = new Intl.RelativeTimeFormat(language.value, { style: 'narrow' });
  if (seconds < 3_000) return format.format(-Math.round(seconds / 60), 'minute');
  if (seconds < 80_000) return format.format(-Math.round(seconds / 3_600), 'hour');
  return format.format(-Math.round(seconds / 86_400), 'day');
}

export function clock(at: number): string {
  return new Intl.DateTimeFormat(language.value, { hour: 'numeric', minute: '2-digit' }).format(at);
}

/** A text in the staff's language, or in whatever it is there. */
export function own(all: Record<string, string>, tag: string = language.value): string {
  return all[tag] ?? all[language.value] ?? Object.values(all)[0] ?? '';
}
