"""What gives a request away: signs of commands, writes, deletes, uploads, waits, logins and private data in what leaves.

Patterns are looked for in every reading of a text (`unfolding`), case making no difference, so they are written for plain
text: blanks are blanks here. Where a sign may be innocent too, it is kept: the policy errs towards more care. `ACTIVE` and
`ODD` tell what only a test would send.
"""

from __future__ import annotations

import re2

COMMAND = "it runs a command"
OBJECT = "it sends an object that runs code where it is read"
WRITE = "it writes to the target"
UPLOAD = "it uploads a file"
DELETE = "it deletes or drops something"
CHANGE = "it changes data or settings"
WAIT = "it makes the target wait"
WORK = "it may make the target work or crash"
ACCOUNT = "it creates an account or sets a password"
PRIVATE = "it reads private data"
LOGIN = "it logs in or sets a password"

_CLEAR = (
    r"(?:whoami|ifconfig|ipconfig|nslookup|wget|curl|uname|certutil|netstat|systeminfo|printenv|lsb_release|busybox|telnetd|"
    r"powershell|pwsh|tasklist|md5sum|sha1sum|chmod|chown|mkfifo|tftp|bitsadmin|mshta|rundll32|regsvr32|nohup)"
)
"""Words that are commands and little else."""
_EITHER = (
    r"(?:id|cat|ls|dir|ping|ping6|echo|type|sleep|timeout|touch|rm|env|set|net|host|hostname|expr|perl|python[23]?|php|ruby|nc|ncat|sh|"
    r"bash|zsh|ksh|cmd|ps|pwd|head|tail|find|cp|mv|dd|tee|less|more|nl|tac|od|xxd|rev|dig|kill|sudo|mkdir|awk|sed|grep|"
    r"reboot|service|printf)"
)
"""Words that are commands beside a shell's marks, and words elsewhere."""
_ANY = f"(?:{_CLEAR}|{_EITHER})"
_BIN = r"(?:/usr)?(?:/local)?(?:/s?bin/)?"
_END = r"(?:[\s;|&`)%'\"$<>,}#\\]|$)"
_SHELL_CALLS = (
    r"(?:system|exec|passthru|shell_exec|popen|proc_open|pcntl_exec|_exec|execute|spawn|execsync|spawnsync|exec_cmd|"
    r"execfile|subprocess|child_process)"
)
_HOST = r"(?:https?:|ftp:|tftp:|[\w-]+(?:\.[\w-]+)+|\d+\.\d+\.|\{\{|\$)"

_CALLED = r"(?:[\"'](?:action|do|method\w*|op|operation|cmd|command|act|task)[\"']\s*:\s*[\"']|<method_?name>\s*)"
"""What names the thing to be done, in JSON and XML-RPC."""

_COMMANDS = (
    # behind what ends a command in a shell
    rf"(?:[;|`]|\$\(|<\(|&&|\|\||%0a)\s*(?:nohup\s+|sudo\s+|exec\s+)?{_BIN}{_ANY}{_END}",
    rf"\n\s*{_BIN}(?:{_CLEAR}|id|cat|ls|dir|ping|echo|sleep|rm|touch|expr|nc|sh|bash|perl|python[23]?|ps|pwd|kill){_END}",
    rf"&\s*{_BIN}{_CLEAR}{_END}",
    rf"&\s+{_BIN}{_ANY}{_END}",
    rf"&{_BIN}{_EITHER}(?:\s|[;|&`)]|$)",
    rf"\{{\s*{_BIN}{_ANY}\s*,",
    # with an argument such as it takes
    r"\b(?:cat|nl|tac|cp|mv|ls|dd)\s+(?:-\S+\s+)*[\"']?(?:/|[a-z]:[\\/]|\.\./)",
    r"\b(?:more|less|head|tail|type|od|xxd|strings|grep|dir|find)\s+(?:-\S+\s+)*[\"']?"
    r"(?:/(?:etc|proc|var|tmp|root|home|opt|usr|dev)/|[a-z]:[\\/]|\.\./)",
    r"\b(?:cat|nl|tac)\s+[\w./]+\.(?:php|txt|ini|xml|conf|jsp|aspx?)\b",
    r"\|\s*base64\b",
    rf"\b(?:nslookup|wget|curl|ping|dig|fetch|telnet|nc|ncat|tftp|lwp-download)\s+(?:-{{1,2}}\S+\s+(?:\d+\s+)?)*[\"'`]?{_HOST}",
    r"\b(?:uname|ls|ps|netstat|lsb_release|ifconfig|wget|curl|rm|chmod|kill|nc|bash|sh|perl|python[23]?|php|find)\s+-{1,2}[a-z]",
    r"\bhost\s+callback\.example",
    r"\bexpr\s+\d+\s*\S?[+*/-]",
    r"\bset\s+/a\s",
    r"\bnet\s+(?:user|localgroup|start|stop|view)\b",
    r"\becho\s+[^\n|>]*(?:\||>\s*[\"']?[\w/.$\\])",
    r"(?:^|[=:>\"'])\s*echo\s+\w{4,}(?:\s*$|[&|\"'<`])",
    r"\b(?:ls|id|whoami|dir|cat)\s*>",
    r"\b(?:nohup|sudo)\s+\w",
    rf"[?&]\w+={_BIN}(?:whoami|ifconfig|ipconfig|netstat|printenv|nohup)(?:[&\s;|]|$)",
    # the value of what is called so
    rf"(?:cmd|command|exec\w*|shell|syscmd|runcmd|system|ping_\w*)\w*[\"']?\]?\s*[=:]\s*\[?[\"']?{_BIN}{_ANY}{_END}",
    rf"(?:cmd|command|exec|shell)\w*</?\w*>\s*{_BIN}{_ANY}\b",
    rf"\b{_SHELL_CALLS}\b\S*[=:,(\[]\s*[\"'\[(]*{_BIN}{_CLEAR}\b",
    rf"=(?:passthru|shell_exec|popen|proc_open|pcntl_exec)&[\w\[\]]+={_BIN}{_ANY}\b",
    r"@grab\w*\s*\(",
    rf"[\"'(`]{_BIN}{_CLEAR}(?:\.exe)?[\"')`]",
    r"(?:filter|func\w*|callback|method|call\w*|hook|slashes|vars)[\w\[\]]*[\"']?[=:]\s*[\"']?(?:system|passthru|exec|shell_exec|popen|proc_open|_exec)\b",
    r"(?:filter|map|sort|reduce|call_user_func\w*|array_\w+)\s*\(\s*[\"']?(?:system|exec|passthru|shell_exec|popen|proc_open)\b",
    r"\$\w+\s*=\s*[\"']?(?:system|exec|passthru|shell_exec)[\"']?\b\s*[;),]",
    r"exec_cmd|execcmd|execute_?command|run_?command|cmdexec|commandexec|exec_command|remote_?command",
    # what languages run commands with
    r"\bruntime\b[^\n]*\bexec\b",
    r"getruntime",
    r"processbuilder|processimpl|java\.lang\.runtime",
    r"freemarker\.template\.utility\.(?:execute|objectconstructor|jythonruntime)",
    r"shell_exec|passthru|\bpopen\b|proc_open|pcntl_exec|execsync|spawnsync|child_process|xp_cmdshell|sp_oacreate|wscript\.shell",
    r"\b(?:system|exec|execfile|spawn)\s*[\"']?\s*\(",
    r"os\.(?:system|popen|exec)|subprocess\.|__import__\s*\(\s*[\"'](?:os|subprocess|commands|pty|posix)",
    r"[\"'\]]\s*\.execute\s*\(",
    r"process\.(?:start|mainmodule|binding)|system\.diagnostics\.process",
    r"\bto\s+program\b|\bfrom\s+program\b|\bsys_(?:exec|eval)\s*\(",
    r"(?:kernel|io|open3)\.(?:exec|popen|system|spawn|capture)|%x[\{\(]",
    r"[\"'\s(](?:/usr)?(?:/bin|/sbin)/(?:ba|da|c|k|z)?sh\b|/bin/(?:ba|da|c|k|z)?sh\b",
    r"\bcmd(?:\.exe)?\s*/[ck]\b|powershell(?:\.exe)?[\s\"'-]|cmd\.exe",
    r"\$\{ifs\}|\$ifs\b|/\?\?\?/\S*\?|\$0\s*<<<|shell\s*=\s*true",
    r"<!--#exec|\$\{run\{|%pipe%|\bmsl:",
    r"@java\.lang\.(?:runtime|processbuilder)|scriptenginemanager|#_memberaccess|ognl\.ognlcontext|org\.springframework\.cglib",
    r"(?:pager|editor|upload-pack|receive-pack|sshcommand|proxycommand|ext::sh)[=\s]+[\"']?(?:sh|bash|cat|touch|curl|wget)\b",
)
_OBJECTS = (
    r"templatesimpl|invokertransformer|chainedtransformer|constanttransformer|instantiatetransformer|commons[./]collections|"
    r"commons[./]beanutils|badattributevalueexpexception|annotationinvocationhandler|bcel[./]internal|\$\$bcel\$\$",
    r"objectdataprovider|typeconfusedelegate|losformatter|windowsidentity|claimsprincipal|activitysurrogate|textformattingrunproperties|"
    r"expandedwrapper|axhost[+.]state|sessionsecuritytoken|rolesprincipal|sortedset`1",
    r"wrapperconnectionpooldatasource|basicdatasource|useroverridesasstring|clonetransformer|groovy[./]runtime|"
    r"convertedclosure|methodclosure|bsh[./]interpreter|org[./]apache[./]wicket|spring[./]core[./]serializabletypewrapper",
    r"c__builtin__|cposix\n|cos\nsystem|csubprocess|!!python/object|!!javax\.script|!ruby/object|node-serialize|_\$\$nd_func",
    r"AAEAAAD/////|0001000000ffffffff|\bgASV[a-z0-9+/]{10}",
)
_WRITES = (
    r"file_put_contents|fwrite\s*\(|fputs\s*\(|move_uploaded_file|file\.writeall|files\.write|writefile|createnewfile|createwriter",
    r"into\s+(?:out|dump)file|lo_export|utl_file|\bcopy\s+\S+\s+to\s+'",
    r"fileoutputstream|filewriter|printwriter|randomaccessfile|outputstreamwriter",
    r"config\s+set\s+(?:dir|dbfilename)|\bconfig-create\b|\bslaveof\b|\breplicaof\b|\bmodule\s+load\b|\bsite\s+cp(?:fr|to)\b",
    r"\bdd\s+of=|\|\s*tee\b|\btee\s+/|(?:\s|[)'\"`;])>>?\s*(?:\.\./|/(?:tmp|var|www|home|opt|usr|etc|dev/shm)/|[a-z]:\\)",
    r"\brunscript\s+from\b|\bcreate\s+alias\b",
    r"\b(?:stor|stou|appe|mkd)\s+\S",
    r"\b(?:out(?:put)?_?(?:path|file|dir)|save_?(?:as|to|path)|dest(?:ination)?_?(?:file|path)|dump_?file)=\S",
    r"savefile|save_file|writetofile|write_file|savetofile|\bput_file|saveas\b",
)
_UPLOADS = (
    r"content-disposition:[^\n]*\bfilename\*?=\s*[\"']?[^\"'\s;]",
    r"\bPK\x03\x04",
    r"<web-app|<%@\s*page|<jsp:root",
)
_DELETES = (
    r"\bdrop\s+(?:table|database|user|schema|keyspace|index|function)\b",
    r"\bdelete\s+from\b|\btruncate\s+table\b|\bflushall\b|\bflushdb\b|\bflush_all\b",
    r"unlink\s*\(|\brm\s+-\w*[rf]|\brmdir\b|shutil\.rmtree|\bdele\s+\S|\brmd\s+\S|\bdel\s+/[fsq]",
    r"(?:action|do|method|op|cmd|act|task|func\w*|m|a)=[\w.]*(?:delete|remove|destroy|truncate|purge|uninstall)",
    r"\b(?:action|do|method|op|cmd|act|task|command)=(?:[\w.-]*[_.-])?del(?:[_&\s-]|$)",
    rf"{_CALLED}[\w.:-]*(?:delete|remove|destroy|truncate|purge|uninstall|reboot|restart|shutdown|poweroff|factory_?reset)",
    r"/(?:delete|remove|destroy|uninstall|purge)(?:[_-]?\w+)?(?:[/?&.]|\s|$)",
    r"\bshutdown\b\s*(?:now|-h|/s|\+|$)|/(?:shutdown|reboot|poweroff|factory-?reset|restart)(?:[/?&.]|\s|$)",
    r"(?:action|do|method|op|cmd|act|command|operation)=(?:reboot|restart|shutdown|poweroff|factory\w*|reset\w*|stop|kill)\b",
    r"(?:action|do|op|cmd|act)=[\w/.]*\btoggle\b",
)
_CHANGES = (
    r"\binsert\s+into\b|\bupdate\s+[\w.`\"]+\s+set\b|\balter\s+(?:user|table|system|database)\b|\bgrant\s+all\b",
    r"\bcreate\s+(?:user|table|database|keyspace|function|procedure|trigger|role|extension|type|or\s+replace)\b",
    r"\bmutation\b\s*\w*\s*[{(]",
    r"\n\s*(?:put|delete|patch)\s+/\S*\s+http/1",
    r"soapaction:[^\n]*[:#/\"](?:set|add|delete|create|remove|update|reboot|restart|change|modify)[a-z]",
    rf"{_CALLED}[\w.:-]*[.:_-](?:create|update|insert|save|enable|disable|install|kill|stop)(?:[\w.:-]*)[\"'<]",
    r"x-http-method(?:-override)?\s*:\s*(?:put|delete|patch)|[?&]_method=(?:put|delete|patch)|x-method-override\s*:\s*(?:put|delete|patch)",
    r"setdb\s*\(|[?&](?:enable|disable)\w*=(?:1|true|on)\b|enableapi|type=sshd|remote_help-cgi",
    r"\brcpt\s+to:",
    r"[=/.](?:create|add)_?-?(?:admin\w*|user\w*|account\w*)\b|(?:user|account)_?-?(?:add|create)\b|cgi_user_add",
    r"\"set-property\"|\"update-\w+\"|\"add-(?:requesthandler|field|config)\w*\"",
)
_WAITS = (
    r"\b(?:pg_)?sleep\s*\(|\busleep\s*\(|thread\.sleep",
    r"benchmark\s*\(\s*\d",
    r"waitfor\s+delay",
    r"dbms_pipe\.receive_message|dbms_lock\.sleep|dbms_session\.sleep",
    r"randomblob\s*\(|heavy\s*query|information_schema\.\w+\s+\w+\s*,\s*information_schema\.",
    r"generate_series\s*\(\s*1\s*,\s*\d{6}",
    r"[;|&`]\s*(?:sleep|timeout)\s+\d|ping\s+-[cn]\s+\d{2,}",
)
_WORKS = (
    r"(?:&\w+;){8}",
    r"(?:range|request-range)\s*:\s*bytes=(?:[\d-]*,\s*){5}",
)
_ACCOUNTS = (
    r"(?:new_?pass(?:word|wd)?|confirm_?pass(?:word)?|password_?confirm\w*|passwd2|repassword|password_?again|pass2|password2|pwd2)[\"']?\s*[=:]",
    r"(?:action|method\w*|do|op|func\w*)=(?:register|add_?user|create_?user|signup|insertuser)|form_type=\S*signup",
    r"(?:change|set|recover|reset|update)_?(?:password|passwd|pwd)\w*(?:[?&=.]|\s)|(?:_|=)(?:disconnect|deactivate)\b",
    r"wp_capabilities|createadministrator|newadmin|add_?admin\b",
)
_PRIVATES = (
    r"/etc/shadow|/etc/master\.passwd|\bsam\b\\config|system32[\\/]config[\\/]sam",
    r"\.ssh/(?:id_\w+|authorized_keys)",
    r"/\.(?:bash|zsh|mysql|psql)_history",
    r"wallet\.dat",
    r"/proc/self/environ|/proc/\d+/environ",
    r"169\.254\.169\.254|\b2852039166\b|0xa9fea9fe|0xa9\.0xfe\.|\b0251\.0376\.|::ffff:a9fe:|metadata\.google\.internal|100\.100\.100\.200|fd00:ec2::254",
    r"/etc/krb5\.keytab|serviceaccount/token",
)
_POSTED = (
    r"\brole(?:s|_?name)?[\"']?\s*[=:]\s*\[?[\"']?(?:administrator|admin|root|superuser)\b",
    r"forgot_?-?password(?:[^/\w]|$)|lost_?password(?:[^/\w]|$)|requestreset|resetpassword|reset_password|sendforgot",
    r"[?&](?:file_?name|file|name)=[\w./-]+\.(?:php\w?|phtml|jspx?|aspx?|war|jar|cgi|sh|exe)(?:[&\s]|$)",
    r"\b(?:is_?)?admin[\"']?\s*[=:]\s*[\"']?true\b",
    r"[\"'](?:file_?name|name)[\"']\s*:\s*[\"'][^\"'\n]*\.(?:php\w?|phtml|jspx?|aspx?|war|jar|cgi|pl|py|sh|exe)[\"']",
)
"""Signs where something is sent with a body; what they match may stand in a link as well."""
_TABLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    (COMMAND, _COMMANDS),
    (OBJECT, _OBJECTS),
    (WRITE, _WRITES),
    (UPLOAD, _UPLOADS),
    (DELETE, _DELETES),
    (CHANGE, _CHANGES),
    (WAIT, _WAITS),
    (WORK, _WORKS),
    (ACCOUNT, _ACCOUNTS),
    (PRIVATE, _PRIVATES),
)


def _compiled(pattern: str) -> re2._Regexp[bytes]:
    """For readings as bytes, so that none is encoded again for each pattern."""
    options = re2.Options()
    options.max_mem = 96 << 20
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(pattern.encode(), options)


def data_of(reading: str) -> bytes:
    """A reading as the patterns take it."""
    return reading.encode("utf-8", "replace")


INTRUSIVE = tuple((why, _compiled("(?ims)" + "|".join(signs))) for why, signs in _TABLE)
"""(why, pattern): what makes a template intrusive wherever it stands."""
ANY_INTRUSIVE = _compiled("(?ims)" + "|".join(sign for _, signs in _TABLE for sign in signs))
LONG, VERY_LONG = 400, 8_000
RUNS = "AaBbXx"
"""What fills a buffer: as many of one of these; fewer where the template speaks of such a flaw."""
SPEAKS_OF_CRASHES = re2.compile(
    r"(?i)overflow|\bdos\b|denial|crash|memory|smuggling|out-of-bounds|\bcwe-(?:119|120|121|122|125|400|787)\b"
)

NUL = re2.compile(r".{0,40}(?:%(?:25)*00|\x00)")
"""A NUL byte as it leaves, written out or encoded, with what stands before it."""
POSTED = _compiled("(?ims)" + "|".join(_POSTED))
ACTIVE = _compiled(
    r"(?is)\.\./|\.\.\\|\.\.;|/etc/(?:passwd|hosts|issue)|win\.ini|boot\.ini|web\.xml|web\.config|wp-config|<script|<svg|<img|onerror\s*=|"
    r"on(?:load|mouse\w+|focus|click)\s*=|alert\s*\(|confirm\s*\(|prompt\s*\(|javascript:|\bunion\b.{0,40}\bselect\b|\border\s+by\s+\d|"
    r"['\"]\s*\)?\s*(?:or|and)\s*\(?['\"]?\w+['\"]?\s*(?:=|like|<|>)|extractvalue\s*\(|updatexml\s*\(|\$\{|\{\{?\s*['\"]?\d+['\"]?\s*\*|"
    r"#\{|%\{|<%=|<%|\bjndi:|<!entity|<!doctype\s+\w+\s*[\[s]|php://|data://|expect://|phar://|file://|gopher://|dict://|ldap://|rmi://|"
    r"callback\.example|interact\.sh|oast\.\w+|\boast\b|evil\.com|attacker\.|example\.com|__proto__|\x00|"
    r"\bselect\b.{0,60}\bfrom\b|phpinfo|phpcredits|var_dump|md5\s*\(|print\s*\(|println|call_user_func|invokefunction|\bassert\b|"
    r"base_convert|\bo:\d+:\"|java\.net\.url|x-original-url|x-rewrite-url|x-accel-|debug=command|"
    r"A{20,}|::\$data|<\?php|<\?=|fetchindex|masterurl|reloadbyurl|/exec/|groovy|"
    r"bytes=\d+-\d{12,}|utl_inaddr|utl_http|auth\w*=[\w=]{6,}|\bdtd\b|xsl:|\bxlink\b"
)
"""What only a test would send, in any text."""
ODD = re2.compile(r"[<>\"'`|{}\\^\x00-\x08\x0a-\x1f\x7f]|;[^j]|\$\(|\.\.")
"""Characters that no link of a site has, in a request target."""
_NAMES = (
    r"(?:user|login|j_|log_?|input|txt|admin|web|auth|new|old|pma_|form|db|s|ctl\d+)?[_\[$.-]?"
    r"(?:pass(?:word|wd|wort|code|phrase)?|pwd|passwd|secret|kennwort|contrasena|mot_?de_?passe)\d?\]?"
)
QUERY_PASSWORD = re2.compile(
    rf"(?i)[?&](?:\w+[\[$._])?{_NAMES}=[^&\s]|[?&](?:u|un|user\w*|login|usr|uid)=[^&\s]+&(?:p|pw|pin)=[^&\s]"
)
CREDENTIAL = re2.compile(
    rf"(?im)(?:^|[?&\s\"'{{,:;>\[$.(]){_NAMES}[\"']?(?:\s*[=:]\s*[\"']?[^\s&\"'<,}}\])=]|>[^\s<])"
)
"""A password that is sent: not an empty one. In a link of a GET only where it stands in the query."""
SPOKEN_LOGIN = re2.compile(r"(?im)^\s*(?:user|pass|auth|login)\s+\S|^\s*(?:root|admin|administrator|sa)\s*$")
"""A login as line protocols say it."""
SPOKEN_CHANGE = re2.compile(
    r"(?im)^\s*(?:set|setex|mset|del|delete|unlink|hset|lpush|rpush|sadd|append|prepend|incr|decr|eval|evalsha|rename|restore|"
    r"migrate|script\s+\w+|debug)\s+\S"
)
"""A change as the line protocols of stores say it."""
MAKES_TEXT = re2.compile(
    r"\.(?:reverse|join|concat|replace\w*|char\w*|slice|substr\w*|split|map|at|repeat|pad\w+|from\w+|to\w+Case)\b|\[[\"']|"
    r"\b(?:atob|unescape|decodeURI\w*|eval|Function)\b|[^+]\+[^+]|`"
)
"""A program that puts texts together, so that reading it does not tell what it sends."""
AUTHORIZATION = re2.compile(
    r"(?im)^\s*(?:proxy-)?authorization:\s*(?:basic\s+(\S+)|ntlm\s+\S|digest\s.*response=\S)"
)
VERBS = re2.compile(
    r"(?:^|[/_.=-])(?:[aA]dd|[cC]reate|[iI]nsert|[sS]ave|[uU]pdate|[mM]odify|[dD]elete|[rR]emove|[dD]estroy|[iI]mport|"
    r"[iI]nstall|[pP]ublish|[sS]et|[eE]nable|[dD]isable|[rR]eset|[uU]pload\w*|[eE]dit)"
    r"(?:[A-Z_/?&.-]|\s|$)"
)
"""A word in a POST's target that says something is changed."""
REGISTERS = re2.compile(r"(?i)/(?:add|create)_?-?user\w*|[/=](?:register|sign_?-?up|new_?-?user|registration)\b")
FIELDS = re2.compile(r"(?i)(?:e-?mail|user_?name|login|phone)[\"']?\]?[\"']?\s*[=:]\s*[\"']?[^\s&\"'\[{]")
"""A POST to a place where accounts are made, and a field of one."""
SPEAKS_OF_COMMANDS = re2.compile(
    r"(?i)\brce\b|\bcwe-(?:77|78|94|95|434|502|917|1336)\b|(?:command|code|script)s?\s+(?:exec\w*|injection)|deseriali[sz]|file\s+upload|file\s+write"
)
"""A name, description or weakness that speaks of commands, code or files: what cannot be read is then taken for one."""
SPEAKS_OF_FLAWS = re2.compile(
    r"(?i)injection|traversal|inclusion|bypass|\bssrf\b|forgery|redirect|poisoning|\bxss\b|scripting|\bxxe\b|\brce\b|execution|sqli|\blfi\b|"
    r"arbitrary|escalation|hard-?coded|backdoor|default\s+(?:jwt|key|secret)|improper|missing\s+auth|unauthorized|overflow|\bidor\b"
)
"""A name that speaks of a flaw: what it sends beside a plain path is then taken for a test of it."""
OWN_WORDS = re2.compile(
    r"(?i)\?\S*=|^(?:cookie|authorization|host|x-|token|range)[\w-]*:|\n(?:cookie|authorization|x-[\w-]+|\w*token)\s*:"
)
OPAQUE = re2.compile(r"[A-Za-z0-9+/_-]{160,}={0,2}")
"""A run that may hold anything."""
SERIALIZED = ("\xac\xed\x00\x05", "rO0AB", "aced0005", "ACED0005")
CLASSES = re2.compile(r"\b((?:[a-z][a-z0-9_]*[./]){2,}[A-Z]\w*)")
HARMLESS = re2.compile(
    r"java[./](?:net[./]URL|util[./](?:HashMap|Hashtable|Properties|Dictionary)|lang[./](?:String|Object|Number|Integer))"
)
"""Classes of a serialized object that looks a name up and does no more."""
LONE_COMMAND = re2.compile(rf"(?im)(?:[=:]|^)\s*[\"']?{_BIN}(?:id|ls|dir|ps|pwd|whoami)[\"']?\s*(?:[&|;,}}]|$)")
