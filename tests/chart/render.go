// Renders the templates of a Helm chart as helm does, with Go's text/template
// and those of helm's functions that the chart uses.
//
//	go run render.go TEMPLATES RELEASE < VALUES.json
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

func main() {
	log.SetFlags(0)
	var values map[string]interface{}
	if err := json.NewDecoder(os.Stdin).Decode(&values); err != nil {
		log.Fatal(err)
	}
	root := template.New("chart").Option("missingkey=error")
	toJSON := func(value interface{}) (string, error) {
		text, err := json.Marshal(value)
		return string(text), err
	}
	root.Funcs(template.FuncMap{
		"include": func(name string, data interface{}) (string, error) {
			var text strings.Builder
			err := root.ExecuteTemplate(&text, name, data)
			return text.String(), err
		},
		"nindent": func(spaces int, text string) string {
			indent := "\n" + strings.Repeat(" ", spaces)
			return indent + strings.ReplaceAll(text, "\n", indent)
		},
		"quote":  func(value interface{}) string { return fmt.Sprintf("%q", fmt.Sprint(value)) },
		"toJson": toJSON,
		// JSON is YAML
		"toYaml": toJSON,
	})
	files, err := filepath.Glob(filepath.Join(os.Args[1], "*"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := root.ParseFiles(files...); err != nil {
		log.Fatal(err)
	}
	data := map[string]interface{}{"Values": values, "Release": map[string]string{"Name": os.Args[2]}}
	for _, file := range files {
		if filepath.Ext(file) != ".yaml" {
			continue
		}
		fmt.Println("---")
		if err := root.ExecuteTemplate(os.Stdout, filepath.Base(file), data); err != nil {
			log.Fatal(err)
		}
	}
}
