import { signal } from '@preact/signals';

/** What the console says, in the staff's own language. */
const texts = {
  console: { en: 'Console', ko: '콘솔' },
  list: { en: 'Conversations', ko: '대화 목록' },
  conversation: { en: 'Conversation', ko: '대화' },
  desk: { en: 'Desk', ko: '상담' },
  signIn: { en: 'Sign in', ko: '로그인' },
  signInWhy: {
    en: 'The console is for the people who look after the bot and its customers.',
    ko: '콘솔은 챗봇과 고객을 돌보는 직원용이에요.',
  },
  signOut: { en: 'Sign out', ko: '로그아웃' },
  noRole: {
    en: 'You have signed in, but your roles do not allow this page. Ask an admin for the role',
    ko: '로그인했지만 이 페이지를 볼 권한이 없어요. 관리자에게 다음 역할을 요청하세요:',
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
  failed: { en: 'Failed', ko: '실패' },
  justNow: { en: 'just now', ko: '방금' },
  today: { en: 'Today', ko: '오늘' },
  yesterday: { en: 'Yesterday', ko: '어제' },
  week: { en: '7 days', ko: '7일' },
  month: { en: '28 days', ko: '28일' },
  incidents: { en: 'Incidents', ko: '장애' },
  releases: { en: 'Releases', ko: '배포' },
  people: { en: 'People and data', ko: '개인정보' },
  time: { en: 'Time', ko: '시간' },
  from: { en: 'From', ko: '시작' },
  to: { en: 'To', ko: '끝' },
  all: { en: 'All', ko: '전체' },
  figures: { en: 'Figures', ko: '지표' },
  turns: { en: 'Messages', ko: '메시지' },
  people_count: { en: 'People', ko: '고객 수' },
  answered: { en: 'Answered', ko: '답변함' },
  not_understood: { en: 'Not understood', ko: '이해 못 함' },
  handed_over: { en: 'Handed over', ko: '상담원 연결' },
  person: { en: 'With a person', ko: '상담원 대화' },
  thumbs: { en: 'Thumbs up / down', ko: '좋아요 / 싫어요' },
  stars: { en: 'Stars for persons', ko: '상담 별점' },
  open_incidents: { en: 'Open incidents', ko: '미처리 장애' },
  besideWeek: { en: 'Changes are against the week before', ko: '증감은 지난주 같은 때와 비교한 값이에요' },
  besideWeeks: { en: 'Changes are against as many weeks before', ko: '증감은 바로 앞 같은 기간과 비교한 값이에요' },
  state_pushed: { en: 'pushed', ko: '올라옴' },
  state_verified: { en: 'verified', ko: '확인됨' },
  state_base: { en: 'base', ko: '기본 이미지' },
  state_staging: { en: 'staging', ko: '스테이징 중' },
  state_warm: { en: 'warm', ko: '준비 중' },
  state_ready: { en: 'ready', ko: '반영 가능' },
  state_live: { en: 'live', ko: '운영 중' },
  state_superseded: { en: 'superseded', ko: '교체됨' },
  state_failed: { en: 'failed', ko: '실패' },
  'state_rolled-back': { en: 'rolled back', ko: '되돌림' },
  'conversation.view': { en: 'looked at a conversation', ko: '대화 조회' },
  'turns.export': { en: 'exported messages', ko: '메시지 내보내기' },
  'content.edit': { en: 'changed content', ko: '콘텐츠 수정' },
  'content.discard': { en: 'discarded a draft', ko: '초안 삭제' },
  'content.publish': { en: 'published content', ko: '콘텐츠 게시' },
  'content.revert': { en: 'reverted content', ko: '콘텐츠 되돌리기' },
  'incident.acknowledge': { en: 'acknowledged an incident', ko: '장애 확인' },
  'incident.repeat': { en: 'had an incident tried again', ko: '장애 재시도' },
  'release.swap': { en: 'made a release live', ko: '운영 반영' },
  'release.rollback': { en: 'rolled a release back', ko: '배포 되돌리기' },
  'training.view': { en: 'looked at a training', ko: '학습 결과 조회' },
  'training.begin': { en: 'began a training', ko: '학습 시작' },
  'training.cancel': { en: 'ended a training', ko: '학습 중단' },
  'training.release': { en: 'let a training go on', ko: '학습 결과 진행 승인' },
  'user.export': { en: 'exported a user', ko: '사용자 내보내기' },
  'user.erase': { en: 'erased a user', ko: '사용자 삭제' },
  byHour: { en: 'By the hour', ko: '시간별' },
  byDay: { en: 'By the day', ko: '일별' },
  chart: { en: 'Messages over time, as in the table below', ko: '시간에 따른 메시지 수 (아래 표와 같아요)' },
  asTable: { en: 'As a table', ko: '표로 보기' },
  topIntents: { en: 'Top intents', ko: '많이 묻는 의도' },
  change: { en: 'Change', ko: '증감' },
  hops: { en: 'Where the time goes', ko: '구간별 시간' },
  hop: { en: 'Hop', ko: '구간' },
  allHops: { en: 'accepted → answered', ko: '접수 → 답변' },
  inUse: { en: 'In use', ko: '사용 중' },
  content: { en: 'content', ko: '콘텐츠' },
  nothingYet: { en: 'Nothing yet.', ko: '아직 없어요.' },
  loading: { en: 'Loading …', ko: '불러오는 중…' },
  found: { en: 'messages', ko: '건' },
  more: { en: 'Show more', ko: '더 보기' },
  searchedTo: { en: 'Searched back to', ko: '여기까지 찾았어요:' },
  nothingFound: { en: 'Nothing fits these filters.', ko: '조건에 맞는 메시지가 없어요.' },
  text: { en: 'Text', ko: '내용' },
  outcome: { en: 'Outcome', ko: '결과' },
  feedback: { en: 'Feedback', ko: '평가' },
  moreFilters: { en: 'More filters', ko: '필터 더 보기' },
  minScore: { en: 'Score from %', ko: '점수 최소 %' },
  maxScore: { en: 'Score to %', ko: '점수 최대 %' },
  model: { en: 'Model', ko: '모델' },
  label: { en: 'Label', ko: '라벨' },
  search: { en: 'Search', ko: '찾기' },
  clear: { en: 'Clear', ko: '초기화' },
  skill: { en: 'Skill', ko: '스킬' },
  meant: { en: 'Said before', ko: '앞서 한 말' },
  trace: { en: 'Trace', ko: '추적 ID' },
  guesses: { en: 'What was understood', ko: '이해한 내용' },
  wishes: { en: 'Wishes', ko: '요청' },
  kind: { en: 'Kind', ko: '종류' },
  turn_failed: { en: 'A message failed', ko: '메시지 처리 실패' },
  delivery_failed: { en: 'A reply was not delivered', ko: '답변 전송 실패' },
  poison_message: { en: 'A poison message', ko: '처리 불가 큐 메시지' },
  onlyOpen: { en: 'Only open ones', ko: '미처리만' },
  noIncidents: { en: 'No incidents.', ko: '장애가 없어요.' },
  seenTo: { en: 'seen to by', ko: '처리:' },
  repeated: { en: 'tried again by', ko: '재시도:' },
  acknowledge: { en: 'Acknowledge', ko: '처리 완료' },
  repeat: { en: 'Try again', ko: '다시 시도' },
  noReleases: { en: 'No model was released yet.', ko: '아직 배포한 모델이 없어요.' },
  swap: { en: 'Make it live', ko: '운영에 반영' },
  rollback: { en: 'Roll back', ko: '되돌리기' },
  swapSure: { en: 'Customers are answered by this from then on:', ko: '이제부터 고객에게 이 모델로 답해요:' },
  rollbackSure: {
    en: 'What was live before answers customers again, and not this:',
    ko: '이전 모델로 돌아가고, 이 모델은 내려와요:',
  },
  review: { en: 'Review', ko: '검토' },
  toReview: { en: 'texts need a look', ko: '개 문장을 확인해야 해요' },
  reviewed: { en: 'done', ko: '개 완료' },
  nothingToReview: { en: 'Nothing needs a look.', ko: '확인할 문장이 없어요.' },
  right: { en: 'Right', ko: '맞아요' },
  otherIntent: { en: 'Another intent', ko: '다른 의도' },
  outOfScope: { en: 'Out of scope', ko: '범위 밖' },
  skip: { en: 'Skip', ko: '건너뛰기' },
  newIntent: { en: 'A new intent', ko: '새 의도' },
  undo: { en: 'Take back', ko: '되돌리기' },
  reviewWhy: {
    en: 'What you say becomes an utterance of the draft; a fifth of it judges models and never trains them.',
    ko: '선택한 내용은 초안의 표현으로 들어가요. 그중 5분의 1은 모델 평가에만 쓰고 학습에는 쓰지 않아요.',
  },
  reason_thumbs_down: { en: 'thumbs down', ko: '싫어요' },
  reason_not_understood: { en: 'not understood', ko: '이해 못 함' },
  reason_handed_over: { en: 'handed over', ko: '상담원 연결' },
  reason_unsure: { en: 'unsure', ko: '애매함' },
  reason_disagreement: { en: 'models disagree', ko: '모델 의견 다름' },
  'review.decide': { en: 'said what a text means', ko: '문장 의미 지정' },
  'review.undo': { en: 'took a label back', ko: '의미 지정 취소' },
  items: { en: 'Items', ko: '항목' },
  kind_intent: { en: 'Intents', ko: '의도' },
  kind_faq: { en: 'FAQ', ko: 'FAQ' },
  kind_phrase: { en: 'Phrases', ko: '문구' },
  kind_flow: { en: 'Flows', ko: '흐름' },
  kind_entity: { en: 'Entities', ko: '엔티티' },
  draftsAndVersions: { en: 'Drafts and versions', ko: '초안과 버전' },
  drafts: { en: 'Drafts', ko: '초안' },
  draft: { en: 'Draft', ko: '초안' },
  draft_added: { en: 'new', ko: '새 항목' },
  draft_changed: { en: 'changed', ko: '수정됨' },
  draft_removed: { en: 'goes', ko: '삭제 예정' },
  noDrafts: { en: 'Nothing was changed since the last publication.', ko: '마지막 게시 이후 바뀐 것이 없어요.' },
  asLive: { en: 'As it is live', ko: '운영 중인 내용과 같아요' },
  newName: { en: 'Name of a new one', ko: '새 항목 이름' },
  add: { en: 'Add', ko: '추가' },
  saveDraft: { en: 'Save draft', ko: '초안 저장' },
  draftSaved: {
    en: 'Draft saved; the bot goes on as before until it is published.',
    ko: '초안을 저장했어요. 게시하기 전까지 챗봇은 그대로예요.',
  },
  draftGone: { en: 'The draft is gone; it stays as it is live.', ko: '초안을 지웠어요. 운영 중인 내용 그대로예요.' },
  discard: { en: 'Discard draft', ko: '초안 버리기' },
  remove: { en: 'Remove', ko: '항목 삭제' },
  draftsBefore: { en: 'Drafts before', ko: '이전 초안' },
  takeAgain: { en: 'Take again', ko: '다시 쓰기' },
  problems: { en: 'To correct', ko: '고칠 것' },
  publish: { en: 'Publish', ko: '게시' },
  whyPublish: { en: 'What is it for? Stands in the history.', ko: '무엇을 바꾸나요? 기록에 남아요.' },
  isLive: { en: 'Live as version', ko: '운영에 반영했어요. 버전' },
  versions: { en: 'Versions', ko: '버전' },
  noVersions: {
    en: 'Nothing was published here yet: the bot is as it was deployed.',
    ko: '아직 게시한 것이 없어요. 배포된 그대로예요.',
  },
  revert: { en: 'Make this live again', ko: '이 버전으로 되돌리기' },
  whatWouldChange: { en: 'What would change', ko: '무엇이 달라지나요' },
  wouldChange: { en: 'messages would be answered otherwise', ko: '개 메시지의 답이 달라져요' },
  asNow: { en: 'Now', ko: '지금' },
  withDrafts: { en: 'With the drafts', ko: '초안 적용 후' },
  tryIt: { en: 'Try it', ko: '시험해 보기' },
  tryWhy: {
    en: 'Talks to the drafts, understood by the models that are live. Nothing is changed anywhere, and nobody is called.',
    ko: '초안과 대화해요. 이해는 운영 중인 모델이 해요. 실제로 바뀌는 것은 없고 상담원을 부르지도 않아요.',
  },
  trySay: { en: 'Say something', ko: '말해 보세요' },
  trySignedIn: { en: 'As a customer who has signed in', ko: '로그인한 고객으로' },
  startOver: { en: 'Start over', ko: '처음부터' },
  notDone: { en: 'Would be done now, and was not:', ko: '실제로는 이 작업을 하지만 여기서는 하지 않았어요:' },
  flowPicture: { en: 'The flow', ko: '흐름 그림' },
  field_utterances: { en: 'What customers say, a line each', ko: '고객이 하는 말 (한 줄에 하나)' },
  field_not: { en: 'What looks like it and is not', ko: '비슷하지만 아닌 말' },
  field_answers: { en: 'Answers, a line each; one of them is said', ko: '답변 (한 줄에 하나, 그중 하나를 말해요)' },
  field_suggestions: { en: 'What may be tapped next', ko: '이어서 누를 수 있는 말' },
  field_question: { en: 'Question', ko: '질문' },
  field_other_ways: { en: 'Other ways to ask', ko: '다르게 묻는 말' },
  field_answer: { en: 'Answer', ko: '답변' },
  field_flow: { en: 'Begins the flow', ko: '시작하는 흐름' },
  field_handover: { en: 'Calls a person, and says', ko: '상담원을 부르며 하는 말' },
  training: { en: 'Training', ko: '학습' },
  trainNow: { en: 'Train now', ko: '지금 학습하기' },
  trainWhy: {
    en: 'On what is published and labelled. What is live goes on answering; what is better is staged.',
    ko: '게시한 내용과 라벨로 학습해요. 그동안 운영 모델은 그대로 답하고, 더 나은 모델만 스테이징돼요.',
  },
  taughtSince: { en: 'things were taught since the last training.', ko: '개를 지난 학습 이후 새로 가르쳤어요.' },
  taughtChanges: { en: 'changes', ko: '개 변경' },
  trainsAfter: { en: 'It begins by itself at', ko: '자동 학습 기준:' },
  trainsAt: { en: 'daily at', ko: '매일' },
  noTraining: {
    en: 'Nothing is trained in this deployment: npm run train and npm run release do it by hand.',
    ko: '이 배포에서는 학습하지 않아요. npm run train 과 npm run release 로 직접 할 수 있어요.',
  },
  noTrainings: { en: 'Nothing was trained here yet.', ko: '아직 학습한 것이 없어요.' },
  training_queued: { en: 'queued', ko: '대기 중' },
  training_training: { en: 'training', ko: '학습 중' },
  training_judged: { en: 'judged', ko: '평가 완료' },
  training_waiting: { en: 'waits for a person', ko: '사람의 결정 대기' },
  training_kept: { en: 'worse: not released', ko: '더 나빠서 배포 안 함' },
  training_pushed: { en: 'pushed', ko: '올라옴' },
  training_released: { en: 'staged', ko: '스테이징됨' },
  training_failed: { en: 'failed', ko: '실패' },
  training_cancelled: { en: 'ended', ko: '중단됨' },
  stopping: { en: 'is ending …', ko: '중단하는 중…' },
  why_person: { en: 'a person', ko: '사람' },
  why_changes: { en: 'by itself: enough was taught', ko: '자동: 충분히 가르침' },
  why_time: { en: 'by itself: its time of day', ko: '자동: 정해진 시각' },
  way: { en: 'From what was taught to what is live', ko: '가르친 내용이 운영에 반영되기까지' },
  reasons: { en: 'Why it does not go on by itself', ko: '자동으로 진행하지 않는 이유' },
  examples: { en: 'examples', ko: '개 예문' },
  classes: { en: 'classes', ko: '개 분류' },
  letGoOn: { en: 'Stage it all the same', ko: '그래도 스테이징하기' },
  cancelTraining: { en: 'End it', ko: '중단하기' },
  report: { en: 'Report', ko: '보고서' },
  judgedOn: { en: 'Judged on', ko: '평가 대상' },
  rightBefore: { en: 'Right, live', ko: '운영 정답률' },
  rightNow: { en: 'Right, trained', ko: '학습 정답률' },
  better: { en: 'Better', ko: '나아짐' },
  worse: { en: 'Worse', ko: '나빠짐' },
  otherwiseInLog: { en: 'logged messages are understood otherwise', ko: '개 기록 메시지를 다르게 이해해요' },
  calibration: { en: 'scores are off by', ko: '점수 오차' },
  loss: { en: 'Loss', ko: '손실' },
  howFar: { en: 'How far', ko: '진행률' },
  confusion: { en: 'What is taken for what', ko: '혼동 행렬' },
  confusionWhy: {
    en: 'Of utterances that were held out: a row for what was said, a column for what it was taken for. A cell opens its utterances. Right are',
    ko: '학습에서 빼 둔 문장 기준이에요. 행은 실제 의도, 열은 모델이 고른 의도예요. 칸을 누르면 문장이 보여요. 정답:',
  },
  judgedOtherwise: { en: 'Judged utterances that are understood otherwise', ko: '평가 문장 중 다르게 이해한 것' },
  logOtherwise: { en: 'Logged messages that are understood otherwise', ko: '기록된 메시지 중 다르게 이해한 것' },
  itMeans: { en: 'It means', ko: '실제 의미' },
  liveModel: { en: 'Live', ko: '운영 모델' },
  trainedModel: { en: 'Trained', ko: '학습한 모델' },
  golden: { en: 'Golden cases', ko: '골든 케이스' },
  sameAsProduction: { en: 'As in production', ko: '운영과 같음' },
  steps: { en: 'Steps', ko: '단계' },
  peopleTitle: { en: 'What is kept of somebody', ko: '보관 중인 개인정보' },
  peopleWhy: {
    en: 'Export gives everything that is kept. Erasing can not be taken back.',
    ko: '내보내면 보관 중인 모든 정보를 받을 수 있어요. 삭제하면 되돌릴 수 없어요.',
  },
  who: { en: 'Who', ko: '누구' },
  userOfApi: { en: 'A user of the HTTP API', ko: 'HTTP API 사용자' },
  userOfChannel: { en: 'A user of a channel', ko: '채널 사용자' },
  customerOfShop: { en: 'A customer of the shop', ko: '쇼핑몰 고객' },
  id: { en: 'Id', ko: 'ID' },
  export: { en: 'Export', ko: '내보내기' },
  erase: { en: 'Erase', ko: '삭제' },
  exported: { en: 'Exported.', ko: '내보냈어요.' },
  erased: { en: 'Erased:', ko: '삭제했어요:' },
  eraseSure: {
    en: 'Everything that is kept of this person goes, for good.',
    ko: '이 사람의 모든 정보가 영구히 삭제돼요.',
  },
  writeId: { en: 'Write the id once more', ko: 'ID를 다시 입력하세요' },
  audit: { en: 'Who did what', ko: '감사 기록' },
  what: { en: 'What', ko: '작업' },
  of: { en: 'To', ko: '대상' },
  result: { en: 'Result', ko: '결과' },
  begun: { en: 'begun', ko: '시작됨' },
  done: { en: 'done', ko: '완료' },
  refused: { en: 'refused', ko: '거부됨' },
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

export type Text = keyof typeof texts;

export function say(name: Text): string {
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

/** By this machine's clock, or by the one of a time zone. */
export function clock(at: number, timeZone?: string): string {
  return new Intl.DateTimeFormat(language.value, { hour: 'numeric', minute: '2-digit', timeZone }).format(at);
}

export function day(at: number, timeZone?: string): string {
  return new Intl.DateTimeFormat(language.value, { month: 'short', day: 'numeric', timeZone }).format(at);
}

/** A day and a time. */
export function moment(at: number): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: 'medium', timeStyle: 'short' }).format(at);
}

export function number(value: number): string {
  return new Intl.NumberFormat(language.value).format(value);
}

/** Of a share, 0–1. */
export function percent(share: number): string {
  const digits = share > 0 && share < 0.1 ? 1 : 0;
  return new Intl.NumberFormat(language.value, { style: 'percent', maximumFractionDigits: digits }).format(share);
}

/** Milliseconds, as short as they can be read. */
export function duration(ms: number | null): string {
  if (ms === null) return '–';
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** A text in the staff's language, or in whatever it is there. */
export function own(all: Record<string, string>, tag: string = language.value): string {
  return all[tag] ?? all[language.value] ?? Object.values(all)[0] ?? '';
}
