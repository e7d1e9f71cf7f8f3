// The oracle: renders templates with Go's text/template and sprig. A line in is a JSON object with template, data and
// missingkey; a line out is one with output, in base64, or error.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

type question struct {
	Template   string `json:"template"`
	Data       any    `json:"data"`
	MissingKey string `json:"missingkey"`
}

type answer struct {
	Output []byte `json:"output"`
	Error  string `json:"error,omitempty"`
}

// numbers makes an int64 of each number that is one, and a float64 of the others.
func numbers(value any) any {
	switch value := value.(type) {
	case json.Number:
		if number, err := value.Int64(); err == nil {
			return number
		}
		number, _ := value.Float64()
		return number
	case []any:
		for i := range value {
			value[i] = numbers(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = numbers(value[key])
		}
	}
	return value
}

func render(asked question, functions template.FuncMap) (result answer) {
	defer func() {
		if cause := recover(); cause != nil {
			result = answer{Error: fmt.Sprint("panic: ", cause)}
		}
	}()
	parsed := template.New("t").Funcs(functions)
	if asked.MissingKey != "" {
		parsed = parsed.Option("missingkey=" + asked.MissingKey)
	}
	parsed, err := parsed.Parse(asked.Template)
	if err != nil {
		return answer{Error: err.Error()}
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, numbers(asked.Data)); err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Output: out.Bytes()}
}

func main() {
	functions := sprig.TxtFuncMap()
	for _, name := range []string{"env", "expandenv", "getHostByName"} {
		delete(functions, name)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	for lines.Scan() {
		decoder := json.NewDecoder(strings.NewReader(lines.Text()))
		decoder.UseNumber()
		var asked question
		if err := decoder.Decode(&asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		line, _ := json.Marshal(render(asked, functions))
		out.Write(append(line, '\n'))
		out.Flush()
	}
}
