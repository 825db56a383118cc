# Completion of taskq(1) for bash.

_taskq()
{
	local word=${COMP_WORDS[COMP_CWORD]}
	local connection='--host= --port= --username= --dbname= --help'
	local worker='--queue= --type= --concurrency= --max-per-second= --once --drain --identity= --json --exec= --noop
		--heartbeat=command --snooze= --kill-after= --grace= --connect-timeout='
	local i

	for ((i = 1; i < COMP_CWORD; i++)); do
		if [ "${COMP_WORDS[i]}" = -- ]; then
			COMPREPLY=($(compgen -c -- "$word"))
			return
		fi
	done
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W 'worker heartbeat watch schedule describe list result complete fail cancel terminate pause unpause
			reset retry delete update-options queue health --help --version' -- "$word"))
	elif [ "$COMP_CWORD" -eq 2 ] && [ "${COMP_WORDS[1]}" = queue ]; then
		COMPREPLY=($(compgen -W 'list describe configure pause unpause' -- "$word"))
	elif [ "${COMP_WORDS[1]}" = worker ]; then
		COMPREPLY=($(compgen -W "$worker $connection" -- "$word"))
	elif [ "${COMP_WORDS[1]}" = heartbeat ]; then
		COMPREPLY=($(compgen -W "--json $connection" -- "$word"))
	elif [[ $word == -* ]]; then
		# what its help lists
		i=${COMP_WORDS[1]}
		[ "$i" != queue ] || i+=" ${COMP_WORDS[2]}"
		# shellcheck disable=SC2086
		COMPREPLY=($(compgen -W "$(taskq $i --help 2>/dev/null | grep -oE -- '--[a-z-]+=?')" -- "$word"))
	fi
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}
complete -F _taskq taskq
