// What Go's text/template and sprig answer: a line in is a case, a line out its answer, as of `connectors eval --cases -`.
//
// With `-time` a case has `rounds` and `times`, and the answer's result is a list of nanoseconds: how long that many renderings of the
// parsed template took in each round.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
)

type question struct {
	ID         json.RawMessage `json:"id"`
	Template   string          `json:"template"`
	Data       json.RawMessage `json:"data"`
	MissingKey string          `json:"missingkey"`
	Numbers    string          `json:"numbers"`
	Model      string          `json:"model"`
	Rounds     int             `json:"rounds"`
	Times      int             `json:"times"`
}

type answer struct {
	ID     json.RawMessage `json:"id"`
	Result any             `json:"result,omitempty"`
	Error  *string         `json:"error,omitempty"`
}

// data reads JSON; a number is an int64 if it is written as one, unless all are to be float64.
func data(asked question) (any, error) {
	if asked.Model == "structs" {
		return structs(asked.Data)
	}
	if len(asked.Data) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(asked.Data))
	if asked.Numbers != "float64" {
		decoder.UseNumber()
	}
	var value any
	err := decoder.Decode(&value)
	return numbers(value), err
}

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

// parse and rendering may panic: sprig's functions do, outside of what text/template catches.
func answered(asked question, functions template.FuncMap, timed bool) (result any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			result, err = nil, fmt.Errorf("panic: %v", cause)
		}
	}()
	parsed := template.New("t").Funcs(functions)
	if asked.MissingKey != "" {
		parsed = parsed.Option("missingkey=" + asked.MissingKey)
	}
	if parsed, err = parsed.Parse(asked.Template); err != nil {
		return nil, err
	}
	value, err := data(asked)
	if err != nil {
		return nil, err
	}
	if timed {
		return rounds(asked, parsed, value)
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, value)
	return out.String(), err
}

func rounds(asked question, parsed *template.Template, value any) (any, error) {
	var out bytes.Buffer
	took := make([]int64, asked.Rounds)
	for round := range took {
		began := time.Now()
		for range asked.Times {
			out.Reset()
			if err := parsed.Execute(&out, value); err != nil {
				return nil, err
			}
		}
		took[round] = time.Since(began).Nanoseconds()
	}
	return took, nil
}

func main() {
	timed := len(os.Args) == 2 && os.Args[1] == "-time"
	functions := sprig.TxtFuncMap()
	for _, name := range []string{"env", "expandenv", "getHostByName"} {
		delete(functions, name)
	}
	time.Local = time.UTC
	lines := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, end := lines.ReadString('\n')
		if strings.TrimSpace(line) != "" {
			var asked question
			result := answer{ID: json.RawMessage("null")}
			err := json.Unmarshal([]byte(line), &asked)
			if err == nil {
				result.ID = asked.ID
				result.Result, err = answered(asked, functions, timed)
			}
			if err != nil {
				text := err.Error()
				result.Result, result.Error = nil, &text
			}
			encoded, err := json.Marshal(result)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			out.Write(append(encoded, '\n'))
			out.Flush()
		}
		if end != nil {
			break
		}
	}
}
