/*
 * The effect protocol of docs/reference/promise.md, written a second time from its text and not from the code.
 *   -DMANUAL | -DPROBE | -DKEYED | -DIDEMPOTENT | -DCOMPOSITE | -DTRANSACTIONAL   recovery class (default MANUAL)
 *   -DMUT_…                                                                       one seeded fault
 * Two workers, an environment (time, network, people, spool, store). Fences are real numbers here, up to MAXF.
 */
#define NW 2
#define MAXF 4
#define NONE 255

#if !defined(PROBE) && !defined(KEYED) && !defined(IDEMPOTENT) && !defined(COMPOSITE) && !defined(TRANSACTIONAL)
#define MANUAL
#endif
#if defined(KEYED) || defined(IDEMPOTENT) || defined(COMPOSITE)
#define RESENDS
#endif
#if defined(KEYED) || defined(PROBE) || defined(IDEMPOTENT) || defined(COMPOSITE)
#define RECOVERS
#endif

mtype = { ABS, CLM, EXE, DBT, REC, COM, REJ, REL, ABD };
mtype = { nothing, success, refusal };
mtype = { idle, claimed, marked, sent, gotok, gotno, recovering, waited };

/* the record */
mtype st = ABS; byte fence = 0; byte nonce = NONE; byte open = 0; bool live = false; byte gen = 0;
bool aged = false;      /* the doubt's quarantine is over */
byte outcome = 0;       /* which attempt's outcome was committed */
byte sequence = 0;      /* the store's counter of fences */
bool lostOnce = false;  /* the amnesia mark */
/* the downstream */
byte effects = 0; mtype key = nothing; bool window = true;
/* the network: requests of living and of dead senders, by generation */
byte late = 0; byte lateOld = 0;
/* workers */
mtype pc[NW]; byte wf[NW]; byte wn[NW]; byte wg[NW]; bool travels[NW]; bool guard[NW]; bool early[NW];
byte names = 0;         /* nonces given */
byte spool = 0; byte spoolF = 0; byte spoolN = 0;   /* 1 success, 2 refusal */
bool badTold = false; bool overwritten = false; bool badFence = false; bool stuck = false;
bool replicaNo = false; /* a lagging replica still says "not done" */
bool struck = false;

#define quiet (late == 0 && lateOld == 0 && !travels[0] && !travels[1])
#define senders ((pc[0] == marked && guard[0]) || (pc[1] == marked && guard[1]))
#define currentTravels (late > 0 || (travels[0] && wg[0] == gen) || (travels[1] && wg[1] == gen))

#ifdef MUT_NO_FENCE
#define owner(i) true
#elif defined(MUT_NO_NONCE)
#define owner(i) (wf[i] == fence)
#else
#define owner(i) (wf[i] == fence && wn[i] == nonce)
#endif
#ifdef MUT_TRUST_REFUSAL
#define closes (open >= 1)
#else
#define closes (open == 1)
#endif
#ifdef MUT_REFUSAL_CROSSES
#define refuser(i) true
#else
#define refuser(i) owner(i)
#endif

#if defined(KEYED) && !defined(MUT_NO_WINDOW)
#define mayResend window
#elif defined(IDEMPOTENT) && !defined(MUT_UNCONDITIONAL)
#define mayResend (effects == 0)
#else
#define mayResend true
#endif
#ifdef MUT_IGNORE_DEADLINE
#define gone quiet
#else
#define gone (quiet && !senders)
#endif
#ifdef MUT_OWNER_ASSUMED_DEAD
#define waitOver quiet
#else
#define waitOver gone
#endif

#ifdef MUT_CLAIMS_OPEN_SENDS
#define mayClaim (st == ABS || st == REL || st == REJ || st == DBT || st == ABD)
#elif defined(MUT_REEXECUTE)
#define mayClaim (st == ABS || ((st == REL || st == REJ) && open == 0) || (st == EXE && !live))
#else
#define mayClaim (st == ABS || ((st == REL || st == REJ) && open == 0))
#endif
#ifdef MUT_AMNESIA_IGNORED
#define forgotten false
#elif defined(MUT_KEYED_BEYOND_AMNESIA)
#define forgotten (st == ABS && lostOnce && !window)
#else
#define forgotten (st == ABS && lostOnce)
#endif

inline close(to) { st = to; live = false; open = 0 }

inline newKey() {
  lateOld = lateOld + late; late = 0; key = nothing; window = true
}

inline insertFence() {
#if defined(MUT_FENCE_RESTARTS) || defined(MUT_NO_NONCE)
  fence = 1;
#ifdef MUT_FENCE_RESTARTS
  badFence = badFence || (pc[0] != idle && wf[0] >= 1) || (pc[1] != idle && wf[1] >= 1);
#endif
#else
  sequence++; fence = sequence;
#endif
}

/* a new attempt of worker i */
inline attempt(i) { names++; nonce = names; wf[i] = fence; wn[i] = nonce; wg[i] = gen; live = true }

inline mark(i) {
  st = EXE; if :: open < 2 -> open++ :: else fi; guard[i] = true; pc[i] = marked; live = true
}

/* success of an attempt: T5, T9, T15 */
inline commit(f, n) {
  if
  :: st == COM ->
#ifdef MUT_OVERWRITES
     if :: outcome != n -> overwritten = true :: else fi
#else
     skip
#endif
  :: st != COM && st != REJ && st != ABS && f <= fence -> close(COM); outcome = n
  :: else
  fi
}

inline tell() { badTold = badTold || effects == 0 }

inline refuse(i) {
  if
  :: (st == EXE || st == DBT) && refuser(i) && closes -> if :: close(REJ) :: close(REL) fi
  :: (st == EXE) && refuser(i) && !closes -> st = DBT; live = false; aged = false
  :: else
  fi;
  pc[i] = idle
}

/* a request lands; answers 1 success, 2 refusal */
byte answer;
inline land(old, unconditional) {
  if
#ifdef KEYED
  :: !old && key == success -> answer = 1
  :: !old && key == refusal -> answer = 2
  :: old || key == nothing ->
     if
     :: effects++; answer = 1; if :: !old -> key = success :: old fi
     :: answer = 2
     :: answer = 2; if :: !old -> key = refusal :: old fi
     fi
#elif defined(IDEMPOTENT) || defined(COMPOSITE)
  :: effects > 0 && !unconditional -> answer = 1
  :: effects > 0 && !unconditional ->
#ifdef IDEMPOTENT
     answer = 2
#else
     answer = 1
#endif
  :: effects == 0 || unconditional -> if :: effects++; answer = 1 :: answer = 2 fi
#else
  :: true -> effects++; answer = 1
  :: true -> answer = 2
#endif
  fi
}

proctype Worker(byte i) {
end:
  do
  /* any worker may crash at any moment; its request travels on */
  :: atomic { pc[i] != idle && !(travels[i] && late + lateOld >= 2) ->
       if :: travels[i] && wg[i] == gen -> late++ :: travels[i] && wg[i] != gen -> lateOld++ :: else fi;
       travels[i] = false; guard[i] = false; early[i] = false; pc[i] = idle }
  /* T1, T1', T18 */
  :: atomic { pc[i] == idle && fence < MAXF && names < MAXF + 1 && mayClaim ->
       replicaNo = (st == REL || st == REJ);
       if
       :: forgotten -> insertFence(); names++; nonce = names; st = DBT; open = 0; aged = false; live = false
       :: !forgotten ->
          if :: st == ABS -> insertFence(); if :: gen > 0 -> gen = 0; newKey() :: else fi
             :: else -> fence++; if :: fence > sequence -> sequence = fence :: else fi; gen++; newKey() fi;
          open = 0; attempt(i);
          if :: mark(i) :: st = CLM; pc[i] = claimed fi
       fi }
  /* T4 */
  :: atomic { pc[i] == idle && st == CLM && !live && fence < MAXF && names < MAXF + 1 ->
       fence++; if :: fence > sequence -> sequence = fence :: else fi; attempt(i); pc[i] = claimed }
#ifdef MUT_FAIL_OPEN
  :: atomic { pc[i] == idle && !travels[i] && names < MAXF + 1 -> wf[i] = 0; wn[i] = NONE; wg[i] = 9; travels[i] = true; pc[i] = sent }
#endif
  :: atomic { pc[i] == idle && st == COM -> tell() }
#ifdef MUT_STALE_READS
  :: atomic { pc[i] == idle && replicaNo && effects > 0 -> badTold = true }
#endif
#ifdef TRANSACTIONAL
  /* effect and record are one transaction */
  :: atomic { pc[i] == claimed ->
       if :: st == CLM && owner(i) && fence == wf[i] ->
             if :: effects++; close(COM); outcome = wn[i]; tell()
                :: close(REJ)
#ifdef MUT_TELLS_FIRST
                :: tell()
#endif
                :: skip fi
          :: else fi;
       pc[i] = idle }
  :: atomic { pc[i] == marked -> if :: st == EXE && owner(i) -> if :: effects++; close(COM); outcome = wn[i]; tell() :: close(REJ) fi :: else fi; pc[i] = idle; guard[i] = false }
#else
  /* T2, T3 */
  :: atomic { pc[i] == claimed -> if :: st == CLM && owner(i) -> mark(i) :: else -> pc[i] = idle fi }
#ifdef MUT_NO_MARKER
  :: atomic { pc[i] == claimed && st == CLM && owner(i) -> travels[i] = true; pc[i] = sent }
#endif
  :: atomic { pc[i] == claimed -> if :: st == CLM && owner(i) -> close(REL) :: else fi; pc[i] = idle }
  /* the byte, under the deadline */
  :: atomic { pc[i] == marked && guard[i] -> guard[i] = false }
#ifdef MUT_IGNORE_DEADLINE
  :: atomic { pc[i] == marked -> guard[i] = false; travels[i] = true; pc[i] = sent }
#else
  :: atomic { pc[i] == marked && guard[i] -> guard[i] = false; travels[i] = true; pc[i] = sent }
#endif
  :: atomic { pc[i] == marked -> guard[i] = false; refuse(i) }
  /* T8 by its own timeout; it goes on listening */
  :: atomic { pc[i] == sent && st == EXE && wf[i] == fence ->
#ifdef MUT_DELETE_ON_THROW
       st = ABS; open = 0; live = false
#else
       st = DBT; live = false; aged = false
#endif
     }
  /* the request lands or is lost, the answer arrives or not */
  :: atomic { travels[i] -> travels[i] = false }
  :: atomic { travels[i] ->
       travels[i] = false;
#ifdef MUT_UNCONDITIONAL
       land((wg[i] != gen), true);
#else
       land((wg[i] != gen), false);
#endif
       if :: pc[i] == sent -> if :: answer == 1 -> pc[i] = gotok :: answer == 2 -> pc[i] = gotno fi
          :: true fi }
  :: atomic { pc[i] == gotok -> tell(); commit(wf[i], wn[i]); pc[i] = idle }
#ifdef MUT_LOST_ACK_RERUNS
  :: atomic { pc[i] == gotok -> commit(wf[i], wn[i]); guard[i] = true; pc[i] = marked }
#endif
  :: atomic { pc[i] == gotok && spool == 0 -> tell(); spool = 1; spoolF = wf[i]; spoolN = wn[i]; pc[i] = idle }
  :: atomic { pc[i] == gotno && spool == 0 -> spool = 2; spoolF = wf[i]; spoolN = wn[i]; pc[i] = idle }
  :: atomic { pc[i] == gotno -> refuse(i) }
#endif
#ifdef RECOVERS
  /* T10 */
  :: atomic { pc[i] == idle && st == DBT && fence < MAXF && names < MAXF + 1 ->
       fence++; if :: fence > sequence -> sequence = fence :: else fi; attempt(i); st = REC; early[i] = false; pc[i] = recovering }
  /* T14 */
  :: atomic { pc[i] == recovering || pc[i] == waited ->
       if :: st == REC && owner(i) -> st = DBT; live = false :: else fi; pc[i] = idle }
#endif
#ifdef RESENDS
  /* T13 */
  :: atomic { pc[i] == recovering && st == REC && owner(i) && open > 0 && mayResend -> mark(i);
#ifdef MUT_OPEN_SENDS_FORGOTTEN
       open = 1
#else
       skip
#endif
     }
#endif
#ifdef PROBE
  /* T11 */
  :: atomic { (pc[i] == recovering || pc[i] == waited) && effects > 0 ->
       if :: st == REC && owner(i) -> close(COM); outcome = wn[i] :: else fi; pc[i] = idle }
#ifdef MUT_PROBE_BEFORE_WAIT
  :: atomic { pc[i] == recovering && effects == 0 -> early[i] = true }
#endif
  /* A2 and A4: the wait is over when nothing sent before it can land */
  :: atomic { pc[i] == recovering && (waitOver || !owner(i)) -> pc[i] = waited }
  /* T12 */
#ifdef MUT_PROBE_AT_ONCE
  :: atomic { pc[i] == recovering && effects == 0 -> if :: st == REC && owner(i) -> close(REL) :: else fi; pc[i] = idle }
#endif
  :: atomic { pc[i] == waited && (effects == 0 || early[i]) ->
       if :: st == REC && owner(i) ->
#ifdef MUT_OPEN_SENDS_KEPT
             st = REL; live = false; stuck = stuck || open > 0
#else
             close(REL)
#endif
          :: else fi; early[i] = false; pc[i] = idle }
#endif
  od
}

proctype Environment() {
end:
  do
  /* time */
  :: atomic { live -> live = false }
  :: atomic { st == DBT && !aged && gone -> aged = true }
#ifdef KEYED
#ifdef MUT_WINDOW_BEFORE_AWAIT
  :: atomic { window && open > 0 -> window = false }
#else
  :: atomic { window && open > 0 && !senders -> window = false }
#endif
  :: atomic { key == success && !window && !currentTravels -> key = nothing }
  :: atomic { key == refusal -> key = nothing }
#endif
  /* the sweeper: T8, T14 */
  :: atomic { !live && st == EXE -> st = DBT; aged = false }
  :: atomic { !live && st == REC -> st = DBT }
  /* late requests of dead senders */
  :: atomic { late > 0 -> late-- }
  :: atomic { late > 0 -> late--; land(false, false) }
  :: atomic { lateOld > 0 -> lateOld-- }
  :: atomic { lateOld > 0 -> lateOld--; land(true, false) }
  /* T16 */
  :: atomic { st == DBT && effects > 0 -> close(COM); outcome = 100 }
#ifdef MUT_PERSON_AT_ONCE
  :: atomic { st == DBT && effects == 0 -> close(REL) }
#else
  :: atomic { st == DBT && effects == 0 && aged -> close(REL) }
#endif
  :: atomic { st == DBT -> st = ABD; live = false }
  /* T17 */
  :: atomic { st == REL || st == REJ -> st = ABS; open = 0 }
  /* the spool */
  :: atomic { spool == 1 -> spool = 0; commit(spoolF, spoolN) }
  :: atomic { spool == 2 -> spool = 0;
#ifdef MUT_SPOOL_FORCES
       if :: (st == EXE || st == DBT) -> close(REJ) :: else fi
#else
       if :: (st == EXE || st == DBT) && spoolF == fence && spoolN == nonce && open == 1 -> close(REJ) :: else fi
#endif
     }
  /* the store's known loss, and the unknown ones */
#if defined(LOSS)
  :: atomic { !lostOnce && st != ABS -> lostOnce = true; st = ABS; open = 0; live = false }
#endif
#ifdef MUT_TIME_TO_LIVE
  :: atomic { !live && (st == CLM || st == EXE) -> st = ABS; open = 0 }
#endif
#ifdef MUT_SILENT_LOSS
  :: atomic { st != ABS -> st = ABS; open = 0; live = false }
#endif
#ifdef MUT_PURGE_DOUBTS
  :: atomic { st == DBT -> st = ABS; open = 0 }
#endif
#ifdef MUT_VERSION_IN_KEY
  :: atomic { !struck && st != ABS -> struck = true; st = ABS; open = 0; live = false; gen = 5; newKey() }
#endif
#ifdef MUT_BLIND_WRITES
  /* a second claimer wrote over the first, on the same reading */
  :: atomic { !struck && st == EXE && names < MAXF + 1 && pc[0] == idle -> struck = true; attempt(0); mark(0); open = 1 }
  :: atomic { !struck && st == EXE && names < MAXF + 1 && pc[1] == idle -> struck = true; attempt(1); mark(1); open = 1 }
#endif
  od
}

init {
  atomic {
    pc[0] = idle; pc[1] = idle;
    run Worker(0); run Worker(1); run Environment()
  }
}

ltl safe { [] (
  effects <= 1
  && (st == COM -> effects == 1)
  && ((st == REL || st == REJ) -> (effects == 0 && quiet))
  && !badTold && !overwritten && !badFence && !stuck
) }
