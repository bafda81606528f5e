//! Commands with holes, and what goes into the holes: few keys and few values, so that commands meet.

use crate::case::{Abilities, CONNECTIONS, Word};

/// Each hole is a word that starts with a dollar sign:
/// `$k` key, `$v` value, `$n` number, `$f` field, `$t` time to live in ms, `$T` in s, `$m` moment in ms, `$M` in s,
/// `$l` a script, `$h` its SHA-1, `$y` one of the client's, `$o` options of SET, `$g` of GETEX, `$c` conditions of EXPIRE, `$i` id of a connection, `$x` a script with its keys and
/// arguments, `$r` another template. A tilde is a blank inside of a word.
const TEMPLATES: &[&str] = &[
    "SET $k $v",
    "SET $k $v $o",
    "SET $k $v $o",
    "SET $k $v $o $o",
    "SET $k $v $o $o $o",
    "SET $k $v NX PX $t",
    "SET $k $v XX PX $t",
    "SET $k $v PX $t",
    "SET $k $v KEEPTTL",
    "SET $k $v PXAT $m",
    "GET $k",
    "GET $k",
    "GETDEL $k",
    "GETEX $k",
    "GETEX $k $g",
    "GETEX $k $g $g",
    "GETSET $k $v",
    "SETNX $k $v",
    "SETEX $k $T $v",
    "PSETEX $k $t $v",
    "DEL $k",
    "DEL $k $k",
    "UNLINK $k",
    "MGET $k $k",
    "MSET $k $v $k $v",
    "EXISTS $k $k",
    "TYPE $k",
    "APPEND $k $v",
    "STRLEN $k",
    "TOUCH $k",
    "INCR $k",
    "DECR $k",
    "INCRBY $k $n",
    "DECRBY $k $n",
    "TTL $k",
    "PTTL $k",
    "PTTL $k",
    "EXPIRETIME $k",
    "PEXPIRETIME $k",
    "PEXPIRETIME $k",
    "PERSIST $k",
    "EXPIRE $k $T",
    "EXPIRE $k $T $c",
    "PEXPIRE $k $t",
    "PEXPIRE $k $t $c",
    "PEXPIRE $k $t $c $c",
    "EXPIREAT $k $M",
    "EXPIREAT $k $M $c",
    "PEXPIREAT $k $m",
    "PEXPIREAT $k $m $c",
    "PEXPIREAT $k $m $c",
    "HSET $k $f $v",
    "HSET $k $f $v $f $v",
    "HGET $k $f",
    "HMGET $k $f $f",
    "HGETALL $k",
    "HDEL $k $f",
    "HDEL $k $f $f",
    "HEXISTS $k $f",
    "HINCRBY $k $f $n",
    "HLEN $k",
    "HKEYS $k",
    "HVALS $k",
    "HSETNX $k $f $v",
    "HSTRLEN $k $f",
    "HMSET $k $f $v",
    "RENAME $k $k",
    "KEYS *",
    "KEYS [a-b]",
    "SCAN 0",
    "SCAN 0 MATCH a* COUNT 100",
    "SCAN 0 TYPE hash",
    "SCAN x",
    "DBSIZE",
    "FLUSHALL",
    "FLUSHDB",
    "FLUSHDB ASYNC",
    "FLUSHALL $v",
    "SELECT 0",
    "SELECT 1",
    "SELECT $n",
    "PING",
    "PING $v",
    "ECHO $v",
    "HELLO",
    "HELLO 2",
    "HELLO 3",
    "HELLO $n",
    "HELLO 3 SETNAME $v",
    "HELLO 3 AUTH default $v",
    "HELLO 3 AUTH $v $v",
    "HELLO 3 $v",
    "AUTH $v",
    "AUTH default $v",
    "AUTH $v $v",
    "RESET",
    "QUIT",
    "CLIENT ID",
    "CLIENT GETNAME",
    "CLIENT SETNAME $v",
    "CLIENT KILL ID $i",
    "CLIENT KILL ID x",
    "CLIENT KILL ID 0",
    "CLIENT KILL ID -1",
    "CLIENT KILL ID 999999999",
    "CLIENT KILL ID $i SKIPME $v",
    "CLIENT KILL TYPE $v",
    "CLIENT KILL $v",
    "CLIENT UNPAUSE",
    "CLIENT $v",
    "CLIENT PAUSE x",
    "CLIENT PAUSE -7",
    "CLIENT PAUSE 0 $v",
    "CLIENT SETINFO LIB-NAME $v",
    "MULTI",
    "MULTI",
    "MULTI",
    "EXEC",
    "EXEC",
    "EXEC",
    "DISCARD",
    "WATCH $k",
    "WATCH $k $k",
    "WATCH $k",
    "UNWATCH",
    "CONFIG GET appendfsync",
    "CONFIG GET $v",
    "CONFIG SET $v $v",
    "CONFIG SET maxmemory-policy $v",
    "CONFIG SET maxmemory $v",
    "CONFIG RESETSTAT",
    "CONFIG $v",
    "SCRIPT LOAD $l",
    "SCRIPT EXISTS $h $v",
    "SCRIPT FLUSH",
    "SCRIPT FLUSH $v",
    "SCRIPT $v",
    "EVALSHA $h 0",
    "EVALSHA $v 0",
    "EVAL $x",
    "EVAL $x",
    "EVAL $x",
    "EVAL $x",
    "EVAL $x",
    "EVAL $x",
    "EVAL $l $n $k",
    "$y",
    "$y",
    "$y",
    "$y",
    "$y",
    "$y",
    "$y",
    "$y",
    "EVAL return~redis.call(unpack(ARGV)) 0 $r",
    "EVAL return~redis.call(unpack(ARGV)) 0 $r",
    "EVAL return~redis.pcall(unpack(ARGV)) 0 $r",
    "EVAL return~redis.call(unpack(ARGV)) 0 $r",
    "EVAL return~{redis.pcall(unpack(ARGV)),1} 0 $r",
    "EVAL redis.setresp(3)~return~redis.call(unpack(ARGV)) 0 $r",
    "EVAL local~r=redis.pcall(unpack(ARGV))~return~{type(r),type(r)=='table'~and~(r.ok~or~r.err)} 0 $r",
    "EVAL local~o,e=pcall(redis.call,unpack(ARGV))~return~{tostring(o),type(e)=='string'~and~e} 0 $r",
    "WAIT 0 0",
    "WAIT 0 5",
    "WAIT x 1",
    "WAIT 0 x",
    "WAIT 0 -1",
    "PUBLISH $k $v",
    "ROLE",
    "READONLY",
    "NOSUCH $v $v",
    "$v $v",
];

const KEYS: &[&[u8]] = &[b"a", b"b", b"c", b"h", b"n", b"\x00\xff\r\n \\", b""];
const VALUES: &[&[u8]] = &[
    b"",
    b"1",
    b"x",
    b"me",
    b"you",
    b"-7",
    b"3.5",
    b"9223372036854775807",
    b"\x00\xff\r\n\"",
    b"no",
    b"yes",
    b"ON",
    b"default",
    b"two words",
    b"noeviction",
    b"allkeys-lru",
    b"100mb",
    b"normal",
    b"nx",
    b"get",
    b"0",
];
const NUMBERS: &[&[u8]] = &[
    b"0",
    b"1",
    b"-1",
    b"2",
    b"15",
    b"16",
    b"x",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"01",
    b"+1",
    b"",
    b"1.5",
    b" 1",
];
const FIELDS: &[&[u8]] = &[b"f", b"g", b"identity", b""];
const WRONG_TIMES: &[&[u8]] = &[
    b"0",
    b"-1",
    b"x",
    b"9223372036854775807",
    b"9223372036854775",
    b"-9223372036854775808",
    b"",
];
const TTL_MS: &[&[u8]] = &[
    b"1", b"2", b"9", b"10", b"49", b"50", b"51", b"200", b"1000", b"1500", b"60000",
];
const TTL_S: &[&[u8]] = &[b"1", b"2", b"60"];
/// Since the Unix epoch; the benches' clock shows [`crate::bench::START_MS`].
const MOMENTS_MS: &[&[u8]] = &[
    b"1",
    b"1699999999999",
    b"1700000000000",
    b"1700000000001",
    b"1700000000050",
    b"1700000000051",
    b"1700000001000",
    b"99999999999999",
    b"88888888888888",
];
const MOMENTS_S: &[&[u8]] = &[
    b"1",
    b"1699999999",
    b"1700000000",
    b"1700000001",
    b"1700000060",
    b"99999999999",
];
/// Where time is real: long past, or far away.
const FAR_MS: &[&[u8]] = &[
    b"1",
    b"1700000000000",
    b"99999999999999",
    b"99999999999998",
    b"88888888888888",
];
const FAR_S: &[&[u8]] = &[b"1", b"1700000000", b"99999999999", b"88888888888"];

/// Scripts, with their keys and arguments.
const SCRIPTS: &[&str] = &[
    "return~1 0",
    "return 0",
    "return~{1,2.9,-2.9,'x',false,true} 0",
    "return~{1,nil,3} 0",
    "return~nil 0",
    "return~{} 0",
    "return~{ok='fine'} 0",
    "return~{err='My~error'} 0",
    "return~{err='x'} 0",
    "return~redis.error_reply('x') 0",
    "return~redis.error_reply('MY~x') 0",
    "return~redis.error_reply('-MY~x') 0",
    "return~redis.status_reply('x') 0",
    "return~redis.error_reply() 0",
    "return~redis.status_reply(1,2) 0",
    "return~{double=3.5} 0",
    "return~{map={a=1}} 0",
    "return~{set={a=true}} 0",
    "redis.setresp(3)~return~{true,false,redis.call('hgetall',KEYS[1])} 1 h",
    "redis.setresp(3)~return~redis.call('get',KEYS[1])==nil 1 $k",
    "return~redis.setresp(4) 0",
    "return~redis.setresp() 0",
    "return#KEYS[1]..ARGV[1] 1 $k $v",
    "return~{#KEYS,#ARGV,KEYS[3]} 2 $k $k $v",
    "return~redis.call('get',KEYS[1]) 1 $k",
    "return~redis.pcall('get',KEYS[1]) 1 $k",
    "return~redis.pcall('hget',KEYS[1],'f') 1 $k",
    "return~redis.call('set',KEYS[1],ARGV[1],'NX','PX',ARGV[2]) 1 $k $v $t",
    "return~redis.call('pttl',KEYS[1]) 1 $k",
    "return~redis.call('set',KEYS[1],1.5) 1 $k",
    "return~redis.call('set',KEYS[1],10) 1 $k",
    "return~redis.call('set',KEYS[1],1e20) 1 $k",
    "return~redis.call('set',KEYS[1],0.1) 1 $k",
    "return~redis.call('set',KEYS[1],-0.0) 1 $k",
    "return~redis.call('set',KEYS[1],2^53) 1 $k",
    "return~redis.call('incrby',KEYS[1],2^53) 1 $k",
    "return~redis.call('set',KEYS[1],true) 1 $k",
    "return~redis.call('set',KEYS[1],{}) 1 $k",
    "return~redis.call() 0",
    "return~redis.pcall() 0",
    "return~redis.call('nosuch') 0",
    "return~redis.call('get') 0",
    "return~redis.pcall('nosuch') 0",
    "return~redis.call('client','id') 0",
    "return~redis.call('client','nosuch') 0",
    "return~redis.call('client') 0",
    "return~redis.call('multi') 0",
    "redis.call('set',KEYS[1],1)~error('boom') 1 $k",
    "redis.call('set',KEYS[1],2)~return~redis.call('incr',KEYS[2]) 2 $k $k",
    "error('boom') 0",
    "error('boom',0) 0",
    "error('boom',2) 0",
    "error({err='MY~boom'}) 0",
    "local~t=nil~return~t.x 0",
    "\n\nreturn~{}..'x' 0",
    "return~nil+1 0",
    "return~undefined 0",
    "defined=1 0",
    "tonumber=1 0",
    "KEYS=1 0",
    "string.x=1 0",
    "redis.call=1 0",
    "return~string.nosuch 0",
    "return~redis.nosuch 0",
    "return~( 0",
    "x~y 0",
    "return~1~end 0",
    "return~... 0",
    "for~i=1,3~do~local~x=i 0",
    "local~f=function()~return~redis.call('incr',KEYS[1])~end~return~f() 1 $k",
    "local~f=function()\nredis.call('incr',KEYS[1])~end\nf() 1 $k",
    "return~pcall(redis.call,'incr',KEYS[1]) 1 $k",
    "local~o,e=pcall(redis.call,'incr',KEYS[1])~return~{tostring(o),e} 1 $k",
    "local~o,e=pcall(error,{err='E~x'})~return~{tostring(o),e} 0",
    "local~o,e=pcall(function()~error('in')~end)~return~e 0",
    "local~o,e=pcall(function()~return~nosuch~end)~return~e 0",
    "local~o,e=xpcall(function()~error('in')~end,function(e)~return~'h:'..e~end)~return~e 0",
    "return~{tostring(1),tostring(1e15),tostring(2^53),tostring(0.1),tostring(nil),tostring(true)} 0",
    "return~tostring(1/0)..tostring(0/0==0/0) 0",
    "return~1/0 0",
    "return~-1/0 0",
    "return~2^63 0",
    "return~{tonumber('0x10'),tonumber('1e3'),tonumber('~5~'),tonumber('z')==nil} 0",
    "return~string.format('%.0f~%s~%d~%q',2^53,'x',3,'y') 0",
    "return~{string.find('hello','l'),string.match('run_id:ab1','run_id:(%x+)')} 0",
    "return~{table.concat({1,2,3},','),#ARGV,select('#',1,2)} 0 $v",
    "local~t={3,1,2}~table.sort(t)~return~t 0",
    "return~{unpack({1,2,3})} 0",
    "return~{math.floor(2.7),math.max(1,5,3),5%3,-5%3,2^10} 0",
    "return~redis.sha1hex(ARGV[1]) 0 $v",
    "return~redis.sha1hex() 0",
    "return~redis.sha1hex(1) 0",
    "return~type(redis.call('time')[1]) 0",
    "return~redis.call('info','server'):sub(1,8) 0",
    "return~redis.call('type',KEYS[1]) 1 $k",
    "return~redis.call('type',KEYS[1]).ok 1 $k",
    "return~redis.call('hmget',KEYS[1],'f','nosuch') 1 $k",
    "return~redis.call('hgetall',KEYS[1]) 1 $k",
    "redis.call('select',1)~return~redis.call('set','a','in~1') 0",
    "return~redis.call('exists',KEYS[1],KEYS[1]) 1 $k",
    "if~redis.call('get',KEYS[1])==ARGV[1]~then~return~redis.call('del',KEYS[1])~else~return~0~end 1 $k $v",
    "if~redis.call('get',KEYS[1])==ARGV[1]~then~return~redis.call('pexpire',KEYS[1],ARGV[2])~else~return~0~end 1 $k $v $t",
    "redis.call('set',KEYS[1],ARGV[1],'px',ARGV[2])~return~{redis.call('get',KEYS[1]),redis.call('pttl',KEYS[1])} 1 $k $v $t",
    "return~redis.log(redis.LOG_NOTICE,'x') 0",
    "return~redis.replicate_commands() 0",
    "return~loadstring('return~1+1')() 0",
    "return~{loadstring('(')} 0",
    "return~rawset(redis,'x',1) 0",
    "return~rawget({5},1) 0",
    "return~{_VERSION,type(_G),type(coroutine)} 0",
    "return~next({}) 0",
    "local~t=setmetatable({},{__index=function(t,k)~return~k~end})~return~t.abc 0",
    "return~assert(false,'asserted') 0",
    "return~assert(nil) 0",
    "return~string.rep() 0",
    "return~('x'):rep(3) 0",
    "return~tostring() 0",
    "return~{pcall(string.rep)} 0",
    "return~redis.call('get',KEYS[1]):len() 1 $k",
];

/// The client's own scripts, as it composes them.
fn client_scripts() -> &'static [(String, &'static str)] {
    use std::sync::OnceLock;
    macro_rules! lua {
        ($name:literal) => {
            include_str!(concat!(
                "../../../redlock/src/redis/scripts/",
                $name,
                ".lua"
            ))
        };
    }
    static SCRIPTS: OnceLock<Vec<(String, &'static str)>> = OnceLock::new();
    SCRIPTS.get_or_init(|| {
        let modes = |guarded, strict, fencing, watching| {
            format!("local guarded, strict, fencing, watching = {guarded}, {strict}, {fencing}, {watching}\n")
        };
        let constants = "local guard, quarantine, settings = 'h', 'c', 'set'\nlocal max_ms, window_us = '60000', 15000000\n";
        let (free, slow) = (lua!("acquire_free"), lua!("acquire"));
        let acquire = |guarded, strict, fencing| modes(guarded, strict, fencing, false) + constants + free + slow;
        let extend = |fencing| format!("local recorded, fencing = true, {fencing}\n{}", lua!("extend"));
        let guarded = |guarded, code: &str| format!("local guarded = {guarded}\n{code}");
        let (owner, watched) = ("1 $k $w $t $d 0", "3 h h c $w 0 set 60000 $d $e 0 0 0 $b");
        vec![
            (acquire(true, false, true), "1 $k $w $t $d 0 f $q $e"),
            (acquire(true, false, true), "1 $k $w $t $d 0 f $q 0"),
            (acquire(true, true, true), "1 $k $w $t $d 0 f $q $e"),
            (acquire(false, false, true), "1 $k $w $t $d 0 f $q 0"),
            (acquire(true, false, false), owner),
            (acquire(false, false, false), owner),
            (modes(true, false, true, true) + slow, watched),
            (lua!("publish").into(), "2 $k h $w f $q"),
            (extend(true), "2 $k h $w $t 60000 f $q"),
            (extend(false), "2 $k h $w $t 60000 f $q"),
            (lua!("release").into(), "1 $k $w"),
            (lua!("release").into(), "1 $k $w"),
            (lua!("look").into(), "2 h c"),
            (guarded(true, lua!("admit")), "1 h set 60000 $d"),
            (guarded(false, lua!("admit")), "1 h set 60000 $d"),
            (guarded(true, lua!("replace_settings")), "2 h c set 60000 $d $w"),
            (guarded(false, lua!("replace_settings")), "2 h c set 60000 $d $w"),
        ]
    })
}

/// Draws, in order; zeros once they are used up.
struct Draws {
    rest: std::vec::IntoIter<u16>,
    abilities: Abilities,
}

impl Draws {
    fn next(&mut self) -> usize {
        usize::from(self.rest.next().unwrap_or_default())
    }

    fn one(&mut self, of: &[&[u8]]) -> Word {
        Word::Bytes(of[self.next() % of.len()].to_vec())
    }

    fn time(&mut self, unit_ms: i64, near: &[&[u8]]) -> Word {
        let draw = self.next();
        if draw.is_multiple_of(6) {
            return Word::Bytes(WRONG_TIMES[draw / 6 % WRONG_TIMES.len()].to_vec());
        }
        if self.abilities.clock {
            return Word::Bytes(near[draw % near.len()].to_vec());
        }
        Word::Huge {
            unit_ms,
            pick: u16::try_from(draw % 1000).unwrap(),
        }
    }

    /// Fills the holes of a template.
    fn fill(&mut self, template: &str, out: &mut Vec<Word>) {
        template.split(' ').for_each(|part| self.hole(part, out));
    }

    fn hole(&mut self, part: &str, out: &mut Vec<Word>) {
        let clock = self.abilities.clock;
        let word = match part {
            "$k" => self.one(KEYS),
            "$v" => self.one(VALUES),
            "$w" => self.one(&[b"me", b"you"]),
            "$n" => self.one(NUMBERS),
            "$f" => self.one(FIELDS),
            "$b" => self.one(&[b"0", b"1"]),
            "$d" => self.one(&[b"x", b"y", b"other:id"]),
            "$e" => self.one(&[b"0", b"0", b"1", b"1700000000000000"]),
            // Where time is real a proposal must not be near the edge of the window: far off it is cut to a moment.
            "$q" if clock => self.one(&[
                b"1700000000000000",
                b"1700000001000000",
                b"1",
                b"1800000000000000",
                b"9007199254740993",
            ]),
            "$q" => self.one(&[b"9007199254740993"]),
            "$t" => self.time(1, TTL_MS),
            "$T" => self.time(1000, TTL_S),
            "$m" => self.one(if clock { MOMENTS_MS } else { FAR_MS }),
            "$M" => self.one(if clock { MOMENTS_S } else { FAR_S }),
            "$i" => Word::ClientId(self.next() % CONNECTIONS),
            "$l" => Word::Bytes(self.source()),
            "$h" => Word::Sha(self.source()),
            "$o" => {
                return self.pick(
                    &[
                        "NX", "XX", "GET", "KEEPTTL", "EX $T", "PX $t", "EXAT $M", "PXAT $m", "PX",
                        "no",
                    ],
                    out,
                );
            }
            "$g" => {
                return self.pick(
                    &[
                        "PERSIST", "EX $T", "PX $t", "EXAT $M", "PXAT $m", "EX", "no",
                    ],
                    out,
                );
            }
            "$c" => return self.pick(&["NX", "XX", "GT", "LT", "gt", "no"], out),
            "$r" => {
                let template = TEMPLATES[self.next() % TEMPLATES.len()];
                return self.fill(template, out);
            }
            "$x" => {
                let script = SCRIPTS[self.next() % SCRIPTS.len()];
                return self.fill(script, out);
            }
            "$y" => {
                let (source, holes) = &client_scripts()[self.next() % client_scripts().len()];
                if !clock && source.contains("redis.call('TIME')") {
                    // Its answers depend on the microsecond.
                    return self.hole("$x", out);
                }
                out.push(Word::Bytes(b"EVAL".to_vec()));
                out.push(Word::Bytes(source.clone().into_bytes()));
                return self.fill(holes, out);
            }
            plain => Word::Bytes(plain.replace('~', " ").into_bytes()),
        };
        out.push(word);
    }

    fn pick(&mut self, of: &[&str], out: &mut Vec<Word>) {
        let chosen = of[self.next() % of.len()];
        self.fill(chosen, out);
    }

    fn source(&mut self) -> Vec<u8> {
        let script = SCRIPTS[self.next() % 40];
        let source = script.split(' ').next().unwrap_or_default();
        source.replace('~', " ").into_bytes()
    }
}

/// A request from draws.
pub(crate) fn expand(template: u16, draws: Vec<u16>, abilities: Abilities) -> Vec<Word> {
    let mut draws = Draws {
        rest: draws.into_iter(),
        abilities,
    };
    let mut words = Vec::new();
    draws.fill(
        TEMPLATES[usize::from(template) % TEMPLATES.len()],
        &mut words,
    );
    words
}
